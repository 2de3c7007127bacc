/** The theme: light, dark, or that of the system. */

import { savePreference, loadPreference } from "../state/preferences";

export type ThemeChoice = "system" | "light" | "dark";
const CHOICES: readonly ThemeChoice[] = ["system", "light", "dark"];
const isChoice = (value: unknown): value is ThemeChoice => CHOICES.includes(value as ThemeChoice);

export class Theme {
  choice = $state<ThemeChoice>(loadPreference("theme", "system", isChoice));
  /** Incremented when colours may have changed; read by canvas charts. */
  revision = $state(0);

  constructor() {
    this.show();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.revision += 1));
  }

  next(): void {
    this.choice = CHOICES[(CHOICES.indexOf(this.choice) + 1) % CHOICES.length] ?? "system";
    savePreference("theme", this.choice);
    this.show();
  }

  private show(): void {
    const root = document.documentElement;
    if (this.choice === "system") delete root.dataset.theme;
    else root.dataset.theme = this.choice;
    this.revision += 1;
  }
}
