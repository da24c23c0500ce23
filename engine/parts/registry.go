package parts

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/client/credentials"
	"cove/distribution/client/hosts"
	"cove/engine/config"
	"cove/images"
	"cove/images/remote"
	"cove/reference"
)

// readRegistries is what the files and the caller say of registries.
func (p *Parts) readRegistries() (config.Registries, error) {
	files, err := p.Files.Read()
	return p.Registries.Over(files), err
}

// As returns the same parts for somebody who signs in at registries with what
// keychain has, and with nothing that is kept here.
func (p *Parts) As(keychain credentials.Keychain) *Parts {
	other := *p
	other.registry = sync.OnceValues(func() (remote.Registries, error) { return p.clientFor(keychain) })
	other.images = sync.OnceValues(func() (*images.Store, error) {
		store, err := p.images()
		if err != nil {
			return nil, err
		}
		return store.With(other.registry), nil
	})
	return &other
}

func (p *Parts) openRegistry() (remote.Registries, error) { return p.clientFor(p.Credentials) }

func (p *Parts) clientFor(keychain credentials.Keychain) (remote.Registries, error) {
	known, err := p.known()
	if err != nil {
		return nil, err
	}
	return remote.Open(remote.Config{
		Keychain: keychain, CertsDirs: p.CertsDirs, Insecure: known.Insecure, Mirrors: known.Mirrors,
		OnWarning: func(host, text string) { p.Notify("registry " + host + ": " + text) },
		OnRetry: func(err error, most time.Duration) {
			p.Notify(fmt.Sprintf("%v; trying again for up to %s", err, most))
		},
	})
}

// verify refuses an image that is not signed as the configuration asks for.
func (p *Parts) verify(
	ctx context.Context, repo remote.Repository, ref reference.Reference, of []digest.Digest,
) error {
	rules, err := p.SignatureRules()
	if err != nil || len(rules) == 0 {
		return err
	}
	return repo.Verify(ctx, rules, ref, of)
}

// SignatureRules are what the configuration says of who must have signed images.
func (p *Parts) SignatureRules() ([]remote.Rule, error) {
	known, err := p.known()
	if err != nil {
		return nil, err
	}
	rules := make([]remote.Rule, 0, len(known.Signatures))
	for _, s := range known.Signatures {
		rules = append(rules, remote.Rule(s))
	}
	return rules, nil
}

// KnownRegistry finds what somebody who writes a bare host probably means: a
// registry of that name that was signed in to, has a folder of certificates, or
// stands in the configuration.
func (p *Parts) KnownRegistry(host string) string {
	names := p.Credentials.Hosts()
	if known, err := p.known(); err == nil {
		names = append(names, slices.Collect(maps.Keys(known.Mirrors))...)
		names = append(names, known.Insecure...)
	}
	dirs := p.CertsDirs
	if dirs == nil {
		dirs = hosts.DefaultCertsDirs()
	}
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir) // one that is not there has none
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
	}
	for _, h := range names {
		if strings.HasPrefix(h, host+":") {
			return h
		}
	}
	if slices.Contains(names, host) {
		return host + ":443"
	}
	return ""
}
