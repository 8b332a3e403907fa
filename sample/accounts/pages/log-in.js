import './form.js';

const [logIn, again] = document.forms;

logIn.addEventListener('answered', ({ detail: { body } }) => {
  again.hidden = body.errorCode !== 'email_not_verified';
  again.elements.email.value = logIn.elements.email.value;
});
