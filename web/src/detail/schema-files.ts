/** Schema files of the user's machine: chosen, or dropped with their folders, as the API takes them. */

import type { SchemaFile } from "../api/types";

const EXTENSIONS = /\.(proto|protoset|binpb|pb|desc)$/i;
export const ACCEPTED = ".proto,.protoset,.binpb,.pb,.desc";

/** A file with the path by which others import it. */
export interface NamedFile {
  readonly name: string;
  readonly file: File;
}

/** The files of an input. Files of a folder are named by their path in it; of those, only schema files are taken. */
export function chosenFiles(input: HTMLInputElement): readonly NamedFile[] {
  return [...(input.files ?? [])]
    .map((file) => ({ name: file.webkitRelativePath || file.name, file }))
    .filter(({ name, file }) => file.webkitRelativePath === "" || EXTENSIONS.test(name));
}

/** Whether a drag has files. */
export const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

/** The dropped files, and the schema files of dropped folders at any depth. */
export async function droppedFiles(data: DataTransfer): Promise<readonly NamedFile[]> {
  // All entries are taken before the first await: the list is empty after the event.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const files: NamedFile[] = [];
  const stack = entries.map((entry) => ({ entry, dropped: true }));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { entry, dropped } = next;
    if (isFolder(entry)) {
      stack.push(...(await readFolder(entry)).map((child) => ({ entry: child, dropped: false })));
    } else if (isFile(entry) && (dropped || EXTENSIONS.test(entry.name))) {
      const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
      files.push({ name: entry.fullPath.replace(/^\/+/, ""), file });
    }
  }
  return files.sort((left, right) => (left.name < right.name ? -1 : 1));
}

const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;
const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;

async function readFolder(folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    // A reader returns about a hundred entries at a time.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return entries;
    entries.push(...batch);
  }
}

/** .proto files are sent as text, descriptor sets as base64. */
export async function readSchemaFile({ name, file }: NamedFile): Promise<SchemaFile> {
  if (name.endsWith(".proto")) return { name, text: await file.text() };
  let binary = "";
  for (const byte of new Uint8Array(await file.arrayBuffer())) binary += String.fromCharCode(byte);
  return { name, base64: btoa(binary) };
}
