package values

import (
	"path"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"cove/builder/plan"
)

// checkMount refuses options of a --mount that would mean nothing for its type.
func checkMount(m *instructions.Mount) error {
	switch {
	case m.Mode != nil && *m.Mode > 0o7777:
		return invalid("--mount: mode=%o: an octal mode is between 0 and 07777", *m.Mode)
	case m.Type == instructions.MountTypeTmpfs && (m.From != "" || m.Source != ""):
		return invalid("--mount=type=tmpfs is empty: it takes no from= and no source=")
	case m.Type != instructions.MountTypeCache && m.Type != instructions.MountTypeSecret &&
		m.Type != instructions.MountTypeSSH && m.CacheID != "":
		return invalid("--mount=type=%s takes no id=; cache, secret and ssh do", m.Type)
	case m.Env != nil && strings.ContainsAny(*m.Env, "=\x00"):
		return invalid("--mount: env=%s is not a variable's name", *m.Env)
	}
	return nil
}

// Mount reads a --mount. before are those that the RUN has already, and abs resolves a
// path against the working directory. Where the mount is from, the caller finds.
func Mount(m *instructions.Mount, before []plan.RunMount, abs func(string) string) (plan.RunMount, error) {
	out := plan.RunMount{
		Type: string(m.Type), Target: m.Target, Source: CleanRel(m.Source), From: plan.FromNothing,
		ReadOnly: m.ReadOnly, ID: m.CacheID, Sharing: string(m.CacheSharing), Size: m.SizeLimit,
		Required: m.Required, Mode: 0o755,
	}
	if err := checkMount(m); err != nil {
		return out, err
	}
	if m.Mode != nil {
		out.Mode = uint32(*m.Mode)
	}
	if m.UID != nil {
		out.UID = uint32(*m.UID)
	}
	if m.GID != nil {
		out.GID = uint32(*m.GID)
	}
	if m.Type == instructions.MountTypeSecret {
		return out, secretMount(m, &out)
	}
	return out, finishMount(m, before, abs, &out)
}

// finishMount fills in what depends on the type of the mount.
func finishMount(
	m *instructions.Mount, before []plan.RunMount, abs func(string) string, out *plan.RunMount,
) error {
	switch m.Type {
	case instructions.MountTypeSSH:
		sshMount(m, before, out)
	case instructions.MountTypeBind:
		out.Mode = 0
	case instructions.MountTypeCache:
		if out.ID == "" {
			out.ID = path.Clean(m.Target)
		}
		if out.Sharing == "" {
			out.Sharing = string(instructions.MountSharingShared)
		}
	case instructions.MountTypeTmpfs:
		out.Source, out.Mode = "", 0
	}
	if m.Env != nil {
		return invalid("--mount=type=%s takes no env=", m.Type)
	}
	if out.Target == "" {
		return invalid("--mount=type=%s needs a target", m.Type)
	}
	if out.Target = abs(out.Target); out.Target == "/" {
		return invalid("--mount: the target cannot be /")
	}
	return nil
}

// sshMount fills in an ssh agent: its id, and where its socket is.
func sshMount(m *instructions.Mount, before []plan.RunMount, out *plan.RunMount) {
	if out.ID == "" {
		out.ID = "default"
	}
	if m.Mode == nil {
		out.Mode = 0o600
	}
	out.Source, out.ReadOnly = "", true
	if out.Target == "" {
		n := 0
		for _, other := range before {
			if other.Type == string(instructions.MountTypeSSH) {
				n++
			}
		}
		out.Target = "/run/buildkit/ssh_agent." + strconv.Itoa(n)
	}
}

// secretMount fills in a secret: its id, and a file, a variable or both.
func secretMount(m *instructions.Mount, out *plan.RunMount) error {
	switch {
	case m.Source != "":
		out.ID = m.Source
	case m.CacheID == "":
		out.ID = path.Base(m.Target)
	}
	out.Source, out.ReadOnly = "", true
	if m.Mode == nil {
		out.Mode = 0o400
	}
	if m.Env != nil {
		out.Env = *m.Env
		if out.Env == "" {
			out.Env = out.ID
		}
	}
	if m.Env == nil && m.Target == "" {
		out.Target = "/run/secrets/" + path.Base(out.ID)
	}
	if out.Target != "" && !path.IsAbs(out.Target) {
		return invalid("--mount=type=secret: the target %q is not absolute", out.Target)
	}
	return nil
}
