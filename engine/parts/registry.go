package parts

import (
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"cove/distribution/client"
	"cove/distribution/client/wire"
	"cove/engine/config"
	"cove/images"
)

// readRegistries is what the files and the caller say of registries.
func (p *Parts) readRegistries() (config.Registries, error) {
	files, err := p.Files.Read()
	return p.Registries.Over(files), err
}

// As returns the same parts for somebody who signs in at registries with what
// keychain has, and with nothing that is kept here.
func (p *Parts) As(keychain wire.Keychain) *Parts {
	other := *p
	other.registry = sync.OnceValues(func() (*client.Client, error) { return p.clientFor(keychain) })
	other.images = sync.OnceValues(func() (*images.Store, error) {
		store, err := p.images()
		if err != nil {
			return nil, err
		}
		return store.With(other.registry), nil
	})
	return &other
}

func (p *Parts) openRegistry() (*client.Client, error) { return p.clientFor(p.Credentials) }

func (p *Parts) clientFor(keychain wire.Keychain) (*client.Client, error) {
	known, err := p.known()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		Keychain: keychain, CertsDirs: p.CertsDirs, Insecure: known.Insecure, Mirrors: known.Mirrors,
	})
}

// KnownRegistry finds what somebody who writes a bare host probably means: a
// registry of that name that was signed in to, has a folder of certificates, or
// stands in the configuration.
func (p *Parts) KnownRegistry(host string) string {
	hosts := p.Credentials.Hosts()
	if known, err := p.known(); err == nil {
		hosts = append(hosts, slices.Collect(maps.Keys(known.Mirrors))...)
		hosts = append(hosts, known.Insecure...)
	}
	dirs := p.CertsDirs
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
