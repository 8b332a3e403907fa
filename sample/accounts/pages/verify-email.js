import './form.js';

// The link proves who owns the address, and not who chose the password: its owner may choose another one.
for (const form of document.forms) {
  form.addEventListener('answered', ({ detail: { body } }) => {
    if (body.errorCode === 'password_mismatch') document.querySelector('#choose').hidden = false;
  });
}
