package buildflags

import (
	"os"
	"strings"

	"cove/engine/builds"
	"cove/errdefs"
)

// NamedContexts reads the values of --build-context; only a target of a bake file may
// name another.
func NamedContexts(flags []string, baking bool) (map[string]string, error) {
	out := make(map[string]string, len(flags))
	for _, f := range flags {
		name, value, ok := strings.Cut(f, "=")
		if !ok || name == "" || value == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "--build-context %q: want NAME=CONTEXT", f)
		}
		if strings.HasPrefix(value, "target:") && !baking {
			return nil, errdefs.Errorf(errdefs.ErrUnsupported,
				"--build-context %s: target: names another target of a bake file, and there is none here", f)
		}
		if value == "-" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"--build-context %s: standard input is for the context without a name", f)
		}
		out[name] = value
	}
	return out, nil
}

// Agents reads the values of --ssh: default, or ID[=SOCKET|KEY[,KEY…]].
func Agents(flags []string) (map[string]builds.Agent, error) {
	out := make(map[string]builds.Agent, len(flags))
	for _, f := range flags {
		id, value, given := strings.Cut(f, "=")
		paths := strings.Split(value, ",")
		if !given {
			if paths[0] = os.Getenv("SSH_AUTH_SOCK"); paths[0] == "" {
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"--ssh %s: no agent runs (SSH_AUTH_SOCK is not set): start one, or give --ssh %s=KEYFILE", f, id)
			}
		}
		agent, err := builds.OpenAgent(paths)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.KindOf(err), "--ssh %s: %w", f, err)
		}
		if _, twice := out[id]; twice || id == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "--ssh %s: want an id of its own", f)
		}
		out[id] = agent
	}
	return out, nil
}
