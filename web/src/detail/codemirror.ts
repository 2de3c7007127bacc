/**
 * CodeMirror as this page uses it: in a shadow root, where its styles are adopted style sheets, which
 * the content security policy allows (it injects <style> elements into a document). Loaded when
 * an editor or a diff is first opened.
 */

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, linter } from "@codemirror/lint";
import { MergeView } from "@codemirror/merge";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--v-key)" },
  { tag: tags.string, color: "var(--v-string)" },
  { tag: tags.number, color: "var(--v-number)" },
  { tag: [tags.bool, tags.null], color: "var(--v-word)" },
  { tag: [tags.punctuation, tags.separator, tags.brace, tags.squareBracket], color: "var(--v-quiet)" },
]);

const look = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--ground)", fontSize: "12px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "20px" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-gutters": { color: "var(--ink-3)", backgroundColor: "var(--sunken)", borderRight: "1px solid var(--line)" },
  ".cm-lineNumbers .cm-gutterElement": { color: "var(--ink-3)" },
  ".cm-activeLine": { backgroundColor: "var(--hover)" },
  ".cm-changedLine": { backgroundColor: "var(--warn-wash) !important" },
  ".cm-changedText": { background: "light-dark(#f3d18d, #6b5313) !important" },
  ".cm-collapsedLines": { color: "var(--ink-2)", background: "var(--sunken) !important" },
  ".cm-tooltip": { color: "var(--ink)", backgroundColor: "var(--raised)", border: "1px solid var(--line-strong)" },
  ".cm-selectionBackground": { background: "light-dark(#b6d3fb, #31557f) !important" },
});

const shared: Extension = [
  look,
  syntaxHighlighting(colours),
  highlightSpecialChars(),
  bracketMatching(),
  EditorView.lineWrapping,
];

export interface EditorOptions {
  readonly text: string;
  readonly language: "json" | "text";
  readonly label: string;
  readonly changed: (text: string) => void;
}

/**
 * Typing over a selection, as a change of our own: left to the browser, it carries the selection's look over as
 * an inline style, which the content security policy refuses with a complaint.
 */
const typeOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    if (event.inputType !== "insertText" || event.data === null || view.state.selection.main.empty) return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

/** Tab is not bound: it moves the focus on, as everywhere. */
export function makeEditor(root: ShadowRoot, { text, language, label, changed }: EditorOptions): EditorView {
  const extensions: Extension[] = [
    shared,
    lineNumbers(),
    history(),
    typeOver,
    indentOnInput(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    search({ top: true }),
    keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap]),
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) changed(update.state.doc.toString());
    }),
  ];
  if (language === "json") extensions.push(json(), linter(jsonParseLinter()), lintGutter());
  return new EditorView({ state: EditorState.create({ doc: text, extensions }), parent: root, root });
}

/** Two texts side by side, neither to be edited; what is equal is folded away. */
export function makeDiff(root: ShadowRoot, left: string, right: string): MergeView {
  const side = (doc: string, label: string) => ({
    doc,
    extensions: [
      shared,
      json(),
      lineNumbers(),
      EditorState.readOnly.of(true),
      EditorView.editable.of(false),
      EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
    ],
  });
  return new MergeView({
    a: side(left, "Left"),
    b: side(right, "Right"),
    parent: root,
    root,
    collapseUnchanged: { margin: 3, minSize: 6 },
  });
}
