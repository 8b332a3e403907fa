/**
 * Shows each mistake at its field, and takes those of the former answer away. The first wrong field gets the focus.
 *
 * @returns whether every mistake has a field in the form
 */
export function showMistakes(form, errors = []) {
  for (const mistake of form.querySelectorAll('.mistake')) mistake.remove();
  for (const input of form.querySelectorAll('[aria-invalid]')) {
    input.removeAttribute('aria-invalid');
    describe(input, input.dataset.hint);
  }
  const shown = errors.filter(({ field }) => form.elements[field]);
  for (const { field, message } of shown) {
    const input = form.elements[field];
    const mistake = document.createElement('p');
    Object.assign(mistake, { id: `${field}-${[...document.forms].indexOf(form)}-mistake`, className: 'mistake' });
    mistake.textContent = message;
    input.dataset.hint ??= input.getAttribute('aria-describedby') ?? '';
    input.setAttribute('aria-invalid', 'true');
    describe(input, `${mistake.id} ${input.dataset.hint}`.trim());
    input.closest('label').after(mistake);
  }
  form.querySelector('[aria-invalid]')?.focus();
  return shown.length > 0 && shown.length === errors.length;
}

function describe(input, ids) {
  if (ids) input.setAttribute('aria-describedby', ids);
  else input.removeAttribute('aria-describedby');
}
