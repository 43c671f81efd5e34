import type { ExportFormat } from './format.js';
import { safetensorsFormat } from './safetensors.js';
import { savedModelFormat } from './saved-model.js';
import { tfjsFormats } from './tfjs.js';

/** Every format there is, by the name `--format` takes. */
export const EXPORT_FORMATS: Readonly<Record<string, ExportFormat>> = Object.fromEntries(
  [safetensorsFormat, savedModelFormat, ...tfjsFormats].map((format) => [format.name, format]),
);
