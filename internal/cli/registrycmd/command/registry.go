package command

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	registryclient "cove/distribution/client"
	"cove/distribution/client/beside"
	"cove/distribution/client/credentials"
	"cove/engine/config"
	"cove/internal/buildinfo"
	"cove/registry/api/client"
	"cove/registry/auth"
	"cove/registry/server"
)

// Registry says which registry a command is about that works from afar too: the one of a
// root of this machine, or a server's. Either is asked by the operations of the registry's
// API, so that it is the same command.
type Registry struct {
	Target
	server string
}

// Flags adds those of every command.
func (r *Registry) Flags(cmd *cobra.Command) {
	r.Target.Flags(cmd)
	cmd.Flags().StringVar(&r.server, "server", "",
		"address of a registry, as https://registry.example.com, that is asked with the credentials of login")
}

// Do calls do with the API of the registry.
func (r *Registry) Do(cmd *cobra.Command, do func(API) error) error {
	if r.server == "" {
		return r.Administer(cmd.Context(), func(s server.Services, _ auth.Caller) error {
			return do(API{cmd.Context, s.API})
		})
	}
	for _, local := range []string{"root", "config", "database"} {
		if cmd.Flags().Changed(local) {
			return Misused(cmd, errors.New("--server and --"+local+" exclude each other"))
		}
	}
	c, remote, err := r.remote(cmd)
	if err != nil {
		return err
	}
	return errors.Join(do(API{cmd.Context, remote}), c.Close())
}

// Address is where browsers reach the registry, as far as it is known here.
func (r *Registry) Address() (string, error) {
	if r.server != "" {
		return strings.TrimSuffix(r.server, "/"), nil
	}
	cfg, err := r.Configuration()
	if err == nil {
		err = cfg.Complete()
	}
	if err != nil {
		return "", err
	}
	// A server that runs says where it is reached: its flags are not known here.
	told, err := os.ReadFile(filepath.Join(cfg.Root, "running"))
	if err == nil && len(told) > 0 && cfg.ExternalURL == "" {
		return strings.TrimSpace(string(told)), nil
	}
	return cfg.Address(), nil
}

// Remote says that the registry is a server's.
func (r *Registry) Remote() bool { return r.server != "" }

func (r *Registry) remote(cmd *cobra.Command) (*registryclient.Client, client.Remote, error) {
	files, err := config.Find(os.Getenv).Read()
	if err != nil {
		return nil, client.Remote{}, err
	}
	insecure := files.Insecure
	if strings.HasPrefix(r.server, "http://") {
		insecure = append(insecure, r.server) // it was said so
	}
	c, err := registryclient.New(registryclient.Config{
		Keychain: credentials.Open(os.Getenv), Insecure: insecure, UserAgent: "cove-registry/" + buildinfo.Version(),
	})
	if err != nil {
		return nil, client.Remote{}, err
	}
	s, err := beside.At(c.Wire(), r.server)
	if err != nil {
		return nil, client.Remote{}, Misused(cmd, err)
	}
	return c, client.Over(s), nil
}

// API is the API of a registry, asked by a command.
type API struct {
	context func() context.Context
	client.Door
}

// Context is the command's.
func (a API) Context() context.Context { return a.context() }

// Get reads one thing into v.
func (a API) Get(path string, v any, query ...string) error {
	return a.Do(a.Context(), client.Call{
		Method: http.MethodGet, Path: path, Query: client.Query(query...), Into: v,
	})
}

// Post sends body, which may be nil, and reads the answer into v unless that is nil.
func (a API) Post(path string, body, v any) error { return a.send(http.MethodPost, path, body, v) }

// Put sets what is at the path.
func (a API) Put(path string, body any) error { return a.send(http.MethodPut, path, body, nil) }

// Patch changes what is at the path.
func (a API) Patch(path string, body any) error { return a.send(http.MethodPatch, path, body, nil) }

func (a API) send(method, path string, body, v any) error {
	return a.Do(a.Context(), client.Call{Method: method, Path: path, Body: body, Into: v})
}

// Delete removes what is at the path.
func (a API) Delete(path string, query ...string) error {
	return a.Do(a.Context(), client.Call{Method: http.MethodDelete, Path: path, Query: client.Query(query...)})
}

// First reads the first n entries of a list.
func First[T any](a API, n int, path string, query ...string) ([]T, error) {
	return client.List[T](a.Context(), a.Door, path, client.Query(query...), n)
}

// All reads the whole of a list.
func All[T any](a API, path string, query ...string) ([]T, error) {
	const most = 1 << 30
	return First[T](a, most, path, query...)
}

// Path is a path of the API: see client.Path.
func Path(parts ...string) string { return client.Path(parts...) }
