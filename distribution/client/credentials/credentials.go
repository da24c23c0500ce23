// Package credentials reads and keeps registry sign-ins where docker and
// podman keep them, credential helpers included.
package credentials

// Credentials is one sign-in. The zero value is nobody.
type Credentials struct {
	Username string
	Password string
	// IdentityToken is exchanged for access tokens in place of a password.
	IdentityToken string
	// RegistryToken is sent to the registry as it is.
	RegistryToken string
}

// IsZero says that there is nothing to sign in with.
func (c Credentials) IsZero() bool { return c == Credentials{} }
