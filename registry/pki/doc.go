// Package pki makes and explains the registry's certificates.
//
// A registry that is started on an empty folder makes a certificate authority
// and a server certificate, valid for every name it was told and every address
// the machine has ([Ensure]). [Keeper] serves a certificate and takes a new one
// without a restart. [Explain] says which names a certificate is valid for, why
// a client refuses it, and what to do: a name that a certificate does not list
// is the commonest way in which a private registry fails.
package pki
