import type { ExportFormat } from './format.js';
import { safetensorsFormat } from './safetensors.js';
import { savedModelFormat } from './saved-model.js';

/** Every format there is, by the name `--format` takes. */
export const EXPORT_FORMATS: Readonly<Record<string, ExportFormat>> = Object.fromEntries([safetensorsFormat, savedModelFormat].map((format) => [format.name, format]));
