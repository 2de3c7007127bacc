/**
 * CodeMirror: JSON and text editors, and a side-by-side diff. Loaded on first use.
 *
 * Editors live in a shadow root: there CodeMirror uses adopted style sheets, which the content security policy
 * allows; in a document it injects <style> elements.
 */

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, linter, setDiagnostics } from "@codemirror/lint";
import { MergeView } from "@codemirror/merge";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const highlightStyle = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--v-key)" },
  { tag: tags.string, color: "var(--v-string)" },
  { tag: tags.number, color: "var(--v-number)" },
  { tag: [tags.bool, tags.null], color: "var(--v-word)" },
  { tag: [tags.punctuation, tags.separator, tags.brace, tags.squareBracket], color: "var(--v-quiet)" },
]);

const theme = EditorView.theme({
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

const baseExtensions: Extension = [
  theme,
  syntaxHighlighting(highlightStyle),
  highlightSpecialChars(),
  bracketMatching(),
  EditorView.lineWrapping,
];

export interface EditorOptions {
  readonly text: string;
  readonly language: "json" | "text";
  readonly label: string;
  readonly onChange: (text: string) => void;
  /** Whether errors are shown by `showProblem` alone. */
  readonly quiet?: boolean;
}

/** What is wrong with a text, from one offset to another. */
export interface TextProblem {
  readonly from: number;
  readonly to: number;
  readonly message: string;
}

/** Mark a syntax error of the JSON in the editor, or else this problem. */
export function showProblem(view: EditorView, problem: TextProblem | null): void {
  const end = view.state.doc.length;
  const syntax = end === 0 ? [] : jsonParseLinter()(view);
  const own = problem === null ? [] : [{ ...problem, to: Math.min(end, problem.to), severity: "error" as const }];
  view.dispatch(setDiagnostics(view.state, syntax.length > 0 ? syntax : own.filter(({ from }) => from <= end)));
}

/**
 * Replace a selection on input ourselves: the browser would copy its style as an inline style, which the content
 * security policy reports as a violation.
 */
const replaceSelectionOnInput = EditorView.domEventHandlers({
  beforeinput(event, view) {
    if (event.inputType !== "insertText" || event.data === null || view.state.selection.main.empty) return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

/** Forms send with it: it must not insert a line. */
const SEND_KEY = "Mod-Enter";

/** Create an editor in `root`. Tab is not bound, so it moves the focus. */
export function createEditor(
  root: ShadowRoot,
  { text, language, label, onChange, quiet = false }: EditorOptions,
): EditorView {
  const extensions: Extension[] = [
    baseExtensions,
    lineNumbers(),
    history(),
    replaceSelectionOnInput,
    indentOnInput(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    search({ top: true }),
    keymap.of([...defaultKeymap.filter(({ key }) => key !== SEND_KEY), ...historyKeymap, ...searchKeymap]),
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) onChange(update.state.doc.toString());
    }),
  ];
  if (language === "json") extensions.push(json(), lintGutter());
  if (language === "json" && !quiet) extensions.push(linter(jsonParseLinter()));
  return new EditorView({ state: EditorState.create({ doc: text, extensions }), parent: root, root });
}

/** Create a read-only side-by-side diff of two JSON texts; unchanged parts are collapsed. */
export function createDiff(root: ShadowRoot, left: string, right: string): MergeView {
  const side = (doc: string, label: string) => ({
    doc,
    extensions: [
      baseExtensions,
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
