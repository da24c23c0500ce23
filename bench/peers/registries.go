package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"cove/bench/lab"
	"cove/bench/roles"
)

// Registries beside ours.
const (
	DockerRegistry = "docker-registry"
	Distribution   = "distribution"
	// BareServer is no registry but the least that does this work, see package bare.
	BareServer = "bare server"
)

const distributionConf = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}
http: {addr: "%s"%s}
`

// Served is a registry that is to be started.
type Served struct {
	Kind, Address string
	// Folder is where its storage is; its name is that of the server.
	Folder string
	// Certificates is a folder with server.crt and server.key; "" is plain HTTP.
	Certificates string
	Flags        []string // of ours, beside those
}

func (s Served) name() string { return filepath.Base(s.Folder) }

// Registry starts one of the registries.
func Registry(l *lab.Lab, s Served) (*lab.Server, error) {
	switch s.Kind {
	case Cove:
		tls := []string{"--tls=off"}
		if dir := s.Certificates; dir != "" {
			tls = []string{"--tls-cert", dir + "/server.crt", "--tls-key", dir + "/server.key"}
		}
		argv := []string{Program(l, Cove), "serve", "--root", s.Folder, "--listen", s.Address}
		return l.Serve(s.name(), "tcp", s.Address, slices.Concat(argv, tls, s.Flags)...)
	case BareServer:
		own, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return l.Serve(s.name(), "tcp", s.Address, "env", roles.Variable+"="+roles.Bare, own, s.Folder, s.Address)
	}
	conf, err := Configure(l, s)
	if err != nil {
		return nil, err
	}
	return l.Serve(s.name(), "tcp", s.Address, Program(l, s.Kind), "serve", conf)
}

// Program is what runs a registry of this kind.
func Program(l *lab.Lab, kind string) string {
	switch kind {
	case Cove:
		return l.Vars["BIN"] + "/registry"
	case Distribution:
		return l.Vars["CACHE"] + "/registry"
	}
	return DockerRegistry
}

// Configure writes the configuration of a registry that needs one, and says where.
func Configure(l *lab.Lab, s Served) (file string, err error) {
	tls := ""
	if dir := s.Certificates; dir != "" {
		tls = fmt.Sprintf(", tls: {certificate: %s/server.crt, key: %s/server.key}", dir, dir)
	}
	file = filepath.Join(l.Work, s.name()+".yml")
	return file, os.WriteFile(file, fmt.Appendf(nil, distributionConf, s.Folder, s.Address, tls), 0o644)
}

// target is the server under the name of every target.
const target = "target"

// NewTarget starts an empty registry under an address of its own, in $TARGET:
// clients remember what a registry has, and would push nothing the next time.
func NewTarget(_ context.Context, l *lab.Lab) error {
	before := l.Stop(target)
	folder := filepath.Join(l.Work, target)
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	l.Vars["TARGET"] = fmt.Sprintf("127.0.0.1:%d", 5201+before)
	_, err := Registry(l, Served{Kind: Distribution, Address: l.Vars["TARGET"], Folder: folder})
	return err
}
