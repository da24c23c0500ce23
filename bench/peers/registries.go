package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

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
http: {addr: "%s"}
`

// Registry starts one of the registries with its storage in a folder, whose name is
// that of the server.
func Registry(l *lab.Lab, kind, address, folder string) (*lab.Server, error) {
	name := filepath.Base(folder)
	if kind == Cove {
		return l.Serve(name, "tcp", address, l.Vars["BIN"]+"/registry", "serve", "--root", folder, "--listen", address,
			"--tls=off")
	}
	if kind == BareServer {
		own, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return l.Serve(name, "tcp", address, "env", roles.Variable+"="+roles.Bare, own, folder, address)
	}
	program := DockerRegistry
	if kind == Distribution {
		program = l.Vars["CACHE"] + "/registry"
	}
	conf := filepath.Join(l.Work, name+".yml")
	if err := os.WriteFile(conf, fmt.Appendf(nil, distributionConf, folder, address), 0o644); err != nil {
		return nil, err
	}
	return l.Serve(name, "tcp", address, program, "serve", conf)
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
	_, err := Registry(l, Distribution, l.Vars["TARGET"], folder)
	return err
}
