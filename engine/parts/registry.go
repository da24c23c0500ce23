package parts

import (
	"maps"
	"os"
	"slices"
	"strings"

	"cove/distribution/client"
	"cove/engine/config"
)

// readRegistries is what the files and the caller say of registries.
func (p *Parts) readRegistries() (config.Registries, error) {
	files, err := p.Files.Read()
	return p.Registries.Over(files), err
}

func (p *Parts) openRegistry() (*client.Client, error) {
	known, err := p.known()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		Keychain: p.Credentials, CertsDirs: p.CertsDirs, Insecure: known.Insecure, Mirrors: known.Mirrors,
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
