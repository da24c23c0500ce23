package engine

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"cove/distribution/client"
	"cove/distribution/client/credentials"
	"cove/engine/config"
)

// readRegistries is what the files and the caller say of registries.
func (e *Engine) readRegistries() (config.Registries, error) {
	files, err := e.cfg.Files.Read()
	return e.cfg.Registries.Over(files), err
}

func (e *Engine) openRegistry() (*client.Client, error) {
	known, err := e.known()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		Keychain: e.cfg.Credentials, CertsDirs: e.cfg.CertsDirs, Insecure: known.Insecure, Mirrors: known.Mirrors,
	})
}

// knownRegistry finds what somebody who writes a bare host probably means: a
// registry of that name that was signed in to, has a folder of certificates, or
// stands in the configuration.
func (e *Engine) knownRegistry(host string) string {
	hosts := e.cfg.Credentials.Hosts()
	if known, err := e.known(); err == nil {
		hosts = append(hosts, slices.Collect(maps.Keys(known.Mirrors))...)
		hosts = append(hosts, known.Insecure...)
	}
	dirs := e.cfg.CertsDirs
	if dirs == nil {
		dirs = client.DefaultCertsDirs()
	}
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir) // one that is not there has none
		for _, entry := range entries {
			hosts = append(hosts, entry.Name())
		}
	}
	for _, h := range hosts {
		if strings.HasPrefix(h, host+":") {
			return h
		}
	}
	if slices.Contains(hosts, host) {
		return host + ":443"
	}
	return ""
}

// Login checks a name and password at a registry and keeps them where docker
// does, for later commands.
func (e *Engine) Login(ctx context.Context, host, user, password string) error {
	registry, err := e.registry()
	if err != nil {
		return err
	}
	if err := registry.Login(ctx, host, user, password); err != nil {
		return err
	}
	return e.cfg.Credentials.Put(ctx, host, credentials.Credentials{Username: user, Password: password})
}

// Logout forgets the sign-in for a registry; found says that there was one.
func (e *Engine) Logout(ctx context.Context, host string) (found bool, err error) {
	return e.cfg.Credentials.Erase(ctx, host)
}
