package runspec

import (
	"maps"
	"path"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/record"
	"cove/sandbox/defaults"
)

// DefaultPath is the PATH of a container whose image sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Args merges entrypoint and command as docker does: a new entrypoint drops
// the image's Cmd, a command replaces it.
func Args(img ocispec.ImageConfig, o Options) (args []string, err error) {
	entrypoint, cmd := img.Entrypoint, img.Cmd
	if o.Entrypoint != nil {
		entrypoint, cmd = o.Entrypoint, nil
	}
	if len(o.Command) > 0 {
		cmd = o.Command
	}
	args = slices.Concat(entrypoint, cmd)
	if len(args) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"no command specified: image %s has neither ENTRYPOINT nor CMD; give a command after the image", o.Image)
	}
	return args, nil
}

// Env merges the environment: docker's PATH, HOSTNAME and TERM first, over
// them the image's, over them the user's; HOME last, when none of them set it.
func Env(img ocispec.ImageConfig, o Options, hostname, home string) []string {
	base := []string{"PATH=" + DefaultPath, "HOSTNAME=" + hostname}
	if o.TTY {
		base = append(base, "TERM=xterm")
	}
	env := MergeEnv(MergeEnv(base, img.Env), o.Env)
	if home == "" {
		return env
	}
	env = slices.DeleteFunc(env, func(kv string) bool { return kv == "HOME=" }) // an empty one is none
	if !slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "HOME=") }) {
		env = append(env, "HOME="+home)
	}
	return env
}

// MergeEnv puts over into env, keeping the place of keys that are replaced. A
// bare KEY in over removes it.
func MergeEnv(env, over []string) []string {
	out := slices.Clone(env)
	for _, kv := range over {
		key, _, hasValue := strings.Cut(kv, "=")
		at := slices.IndexFunc(out, func(s string) bool { return strings.HasPrefix(s, key+"=") })
		switch {
		case at >= 0 && hasValue:
			out[at] = kv
		case at >= 0:
			out = slices.Delete(out, at, at+1)
		case hasValue:
			out = append(out, kv)
		}
	}
	return out
}

// Labels are the image's with the user's over them.
func Labels(img ocispec.ImageConfig, o Options) map[string]string {
	labels := make(map[string]string, len(img.Labels)+len(o.Labels))
	maps.Copy(labels, img.Labels)
	maps.Copy(labels, o.Labels)
	return labels
}

// Hostname is what the container calls itself: the user's choice, or its short
// id. A container on the host's network has the host's name, which the caller
// gives as hostName.
func Hostname(o Options, id, hostName string) string {
	switch {
	case o.Hostname != "":
		return o.Hostname
	case o.Network == "host" || o.Shared.UTS == record.Host:
		return hostName
	default:
		return id[:min(12, len(id))]
	}
}

func process(img ocispec.ImageConfig, o Options, f Facts, hostname string) (*specs.Process, error) {
	args, err := Args(img, o)
	if err != nil {
		return nil, err
	}
	cwd := o.Workdir
	if cwd == "" {
		cwd = img.WorkingDir
	}
	if cwd == "" {
		cwd = "/"
	}
	if !path.IsAbs(cwd) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the working directory %q is not an absolute path", cwd)
	}
	if last := max(f.User.UID, f.User.GID); f.Groups > 0 && f.IDMap.IsZero() && last >= f.Groups {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "user %d:%d: this user has the ids below %d alone to give "+
			"to containers (/etc/subuid, /etc/subgid)", f.User.UID, f.User.GID, f.Groups)
	}
	caps, err := capabilities(o.Security, f.User.UID == 0, f.HostCaps)
	if err != nil {
		return nil, err
	}
	var score *int
	if o.Resources.OOMScoreAdj != 0 {
		score = &o.Resources.OOMScoreAdj
	}
	return &specs.Process{
		OOMScoreAdj: score, Rlimits: rlimits(o.Resources.Ulimits),
		Terminal: o.TTY, ConsoleSize: consoleSize(o),
		User: specs.User{
			UID: f.User.UID, GID: f.User.GID,
			AdditionalGids: defaults.Groups(f.User.GID, f.User.Groups),
		},
		Args:            args,
		Env:             Env(img, o, hostname, f.User.Home),
		Cwd:             path.Clean(cwd),
		Capabilities:    caps,
		NoNewPrivileges: o.Security.NoNewPrivileges,
		ApparmorProfile: f.AppArmor,
	}, nil
}

// consoleSize is that of a terminal whose size is known.
func consoleSize(o Options) *specs.Box {
	if !o.TTY || o.ConsoleSize == [2]uint{} {
		return nil
	}
	return &specs.Box{Height: o.ConsoleSize[0], Width: o.ConsoleSize[1]}
}
