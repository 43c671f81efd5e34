import { describe, expect, it } from 'vitest';
import { html } from '../../src/report/html.js';

describe('html', () => {
  it('escapes text and lets markup made by itself through', () => {
    expect(html`<td title="${'"x"'}">${'CD4+ <naive> & co'}${html`<b>${'&'}</b>`}</td>`.text).toBe(
      '<td title="&quot;x&quot;">CD4+ &lt;naive&gt; &amp; co<b>&amp;</b></td>',
    );
  });

  it('leaves nothing behind for what is absent, joins lists and keeps zero', () => {
    expect(html`${undefined}${null}${false}${0}${['<', html`<i>`]}`.text).toBe('0&lt;<i>');
  });
});
