package engine

import (
	"context"
	"strings"

	"cove/distribution/client/credentials"
	"cove/reference"
)

// Credentials is a sign-in at a registry, and Keychain has those of somebody.
type (
	Credentials = credentials.Credentials
	Keychain    = credentials.Keychain
)

// RegistryHost is the host of a registry as people write it, as an address or in
// front of a name; without one it is the default registry.
func RegistryHost(text ...string) string {
	if len(text) == 0 || text[0] == "" {
		return reference.DefaultRegistry
	}
	host := strings.TrimPrefix(strings.TrimPrefix(text[0], "https://"), "http://")
	host, _, _ = strings.Cut(host, "/")
	return host
}

// Login checks a name and password at a registry and keeps them where docker
// does, for later commands.
func (e *Engine) Login(ctx context.Context, host, user, password string) error {
	registry, err := e.parts.Registry()
	if err != nil {
		return err
	}
	if err := registry.Login(ctx, host, user, password); err != nil {
		return err
	}
	return e.parts.Credentials.Put(ctx, host, credentials.Credentials{Username: user, Password: password})
}

// Logout forgets the sign-in for a registry; found says that there was one.
func (e *Engine) Logout(ctx context.Context, host string) (found bool, err error) {
	return e.parts.Credentials.Erase(ctx, host)
}
