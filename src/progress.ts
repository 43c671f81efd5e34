/** Where long work reports to. The command line draws bars; library callers may pass their own or nothing. */
export interface Progress {
  /** Opens one bar; `total` in `unit`s. Bars may follow each other, never nest. */
  start(label: string, total: number, unit: string): ProgressBar;
}

export interface ProgressBar {
  /** `done` is absolute, not an increment. `note` is short free text after the bar (a loss, a file name). */
  update(done: number, note?: string): void;
  stop(): void;
}

export const silentProgress: Progress = { start: () => ({ update() {}, stop() {} }) };
