/** Light, dark, or as the system has it. */

import { remember, remembered } from "../state/preferences";

export type ThemeChoice = "system" | "light" | "dark";
const CHOICES: readonly ThemeChoice[] = ["system", "light", "dark"];
const isChoice = (value: unknown): value is ThemeChoice => CHOICES.includes(value as ThemeChoice);

export class Theme {
  choice = $state<ThemeChoice>(remembered("theme", "system", isChoice));
  /** Changes whenever colours may have: what draws on a canvas reads it. */
  revision = $state(0);

  constructor() {
    this.show();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.revision += 1));
  }

  next(): void {
    this.choice = CHOICES[(CHOICES.indexOf(this.choice) + 1) % CHOICES.length] ?? "system";
    remember("theme", this.choice);
    this.show();
  }

  private show(): void {
    const root = document.documentElement;
    if (this.choice === "system") delete root.dataset.theme;
    else root.dataset.theme = this.choice;
    this.revision += 1;
  }
}
