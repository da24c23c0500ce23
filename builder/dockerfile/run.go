package dockerfile

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/plan"
	"cove/errdefs"
)

// documents is where a heredoc with an interpreter is mounted for its RUN.
const documents = "/dev/pipes/"

// proxyEnv lists the proxy settings that were given and that no ARG declares.
func (c *converter) proxyEnv(s *state) []string {
	var env []string
	for _, name := range proxyArgs {
		if _, declared := s.vars.Get(name); declared {
			continue
		}
		if v, ok := c.opt.BuildArgs[name]; ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func (c *converter) run(s *state, cmd *instructions.RunCommand, loc plan.Location) error {
	c.lintJoins(cmd)
	c.lintApt(s, cmd)
	op := &plan.Run{
		Env: s.vars.list(), Cwd: s.abs("."), User: s.config.User, ProxyEnv: c.proxyEnv(s), Platform: s.platform,
		Hosts: c.opt.Hosts,
	}
	if err := c.runArgs(s, cmd, op); err != nil {
		return err
	}
	if err := c.entitlements(cmd, op); err != nil {
		return err
	}
	inputs, err := c.mounts(s, cmd, op, loc)
	if err != nil {
		return err
	}
	c.change(s, op, loc, inputs, "RUN "+s.createdBy(op.Args))
	return nil
}

// createdBy is docker's history of a RUN: the arguments in scope, counted,
// then the command.
func (s *state) createdBy(args []string) string {
	var words []string
	if len(s.args) > 0 {
		words = append(words, "|"+strconv.Itoa(len(s.args)))
		for _, name := range s.args {
			v, _ := s.vars.Get(name)
			words = append(words, name+"="+v)
		}
	}
	return strings.Join(append(words, args...), " ")
}

// runArgs decides what is executed: an exec form as it is, a script through
// the shell, a heredoc through the shell or as a program of its own.
func (c *converter) runArgs(s *state, cmd *instructions.RunCommand, op *plan.Run) error {
	if len(cmd.Files) == 0 {
		op.Args = s.commandLine(cmd.ShellDependantCmdLine)
		if len(op.Args) == 0 || len(cmd.CmdLine) == 0 || cmd.CmdLine[0] == "" && !cmd.PrependShell {
			return invalid("RUN needs a command")
		}
		return nil
	}
	if len(cmd.CmdLine) != 1 || !cmd.PrependShell {
		return invalid("a heredoc goes with the shell form only")
	}
	line := cmd.CmdLine[0]
	doc, err := parser.ParseHeredoc(line)
	if err != nil {
		return invalid("%w", err)
	}
	if doc == nil {
		// The heredocs belong to commands of the line: the shell reads them.
		var script strings.Builder
		script.WriteString(line)
		for _, f := range cmd.Files {
			script.WriteString("\n" + f.Data + f.Name)
		}
		op.Args = s.withShell(script.String())
		return nil
	}
	body := cmd.Files[0].Data
	if cmd.Files[0].Chomp {
		body = parser.ChompHeredocContent(body)
	}
	if !strings.HasPrefix(body, "#!") {
		op.Args = s.withShell(body)
		return nil
	}
	name := documents + path.Base(path.Clean("/"+cmd.Files[0].Name))
	op.Args = []string{name}
	op.Mounts = append(op.Mounts, plan.RunMount{
		Type: "file", Target: name, From: plan.FromNothing, Data: body, Mode: 0o755, ReadOnly: true,
	})
	return nil
}

// entitlements reads --network and --security.
func (c *converter) entitlements(cmd *instructions.RunCommand, op *plan.Run) error {
	op.Network = instructions.GetNetwork(cmd)
	if op.Network == instructions.NetworkDefault && c.opt.Network != "" {
		op.Network = c.opt.Network
	}
	if op.Network == instructions.NetworkHost && c.opt.Network != instructions.NetworkHost &&
		!c.allowed("network.host") {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrDenied,
			"--network=host needs the entitlement network.host"), errdefs.Entitle, "network.host")
	}
	if instructions.GetSecurity(cmd) == instructions.SecurityInsecure {
		if !c.allowed("security.insecure") {
			return errdefs.Suggest(errdefs.Errorf(errdefs.ErrDenied,
				"--security=insecure needs the entitlement security.insecure"), errdefs.Entitle, "security.insecure")
		}
		op.Insecure = true
	}
	if slices.Contains(cmd.FlagsUsed, "device") {
		return errdefs.Errorf(errdefs.ErrUnsupported, "RUN --device is not supported")
	}
	return nil
}

func (c *converter) allowed(entitlement string) bool {
	return slices.Contains(c.opt.Allow, entitlement)
}

// mounts reads every --mount and returns the vertices that they read from.
func (c *converter) mounts(s *state, cmd *instructions.RunCommand, op *plan.Run, loc plan.Location) ([]plan.ID, error) {
	var inputs []plan.ID
	for _, m := range instructions.GetMounts(cmd) {
		if err := checkMount(m); err != nil {
			return nil, err
		}
		out := plan.RunMount{
			Type: string(m.Type), Target: m.Target, Source: cleanRel(m.Source), From: plan.FromNothing,
			ReadOnly: m.ReadOnly, ID: m.CacheID, Sharing: string(m.CacheSharing), Size: m.SizeLimit,
			Required: m.Required,
			Mode:     0o755,
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
		files := ""
		if m.Type == instructions.MountTypeBind && c.byName[strings.ToLower(m.From)] == nil && m.From != "" {
			files = c.filesNamed(m.From)
		}
		if m.From != "" && files == "" {
			id, err := c.origin(s, m.From, loc)
			if err != nil {
				return nil, err
			}
			if id != plan.None {
				out.From = plan.Origin(len(inputs))
				inputs = append(inputs, id)
			}
		}
		if err := finishMount(s, m, op, &out); err != nil {
			return nil, err
		}
		if m.Type == instructions.MountTypeBind && (m.From == "" || files != "") {
			out.From = plan.Origin(len(inputs))
			inputs = append(inputs, c.contextTree(s, files, out.Source, loc))
		}
		op.Mounts = append(op.Mounts, out)
	}
	return inputs, nil
}

// finishMount fills in what depends on the type of the mount.
func finishMount(s *state, m *instructions.Mount, op *plan.Run, out *plan.RunMount) error {
	switch m.Type {
	case instructions.MountTypeSSH:
		sshMount(m, op, out)
	case instructions.MountTypeSecret:
		return secretMount(m, out)
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
	if out.Target = s.abs(out.Target); out.Target == "/" {
		return invalid("--mount: the target cannot be /")
	}
	return nil
}

// sshMount fills in an ssh agent: its id, and where its socket is.
func sshMount(m *instructions.Mount, op *plan.Run, out *plan.RunMount) {
	if out.ID == "" {
		out.ID = "default"
	}
	if m.Mode == nil {
		out.Mode = 0o600
	}
	out.Source, out.ReadOnly = "", true
	if out.Target == "" {
		n := 0
		for _, other := range op.Mounts {
			if other.Type == string(instructions.MountTypeSSH) {
				n++
			}
		}
		out.Target = "/run/buildkit/ssh_agent." + strconv.Itoa(n)
	}
}

// escapePattern makes a path a pattern that matches it alone.
func escapePattern(p string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p)
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

// origin finds the vertex of a from=; None is an empty filesystem.
func (c *converter) origin(s *state, name string, loc plan.Location) (plan.ID, error) {
	if name == scratch {
		return plan.None, nil
	}
	if files := c.filesNamed(name); files != "" && c.byName[strings.ToLower(name)] == nil {
		return c.contextTree(s, files, "", loc), nil
	}
	st, err := c.stageNamed(name, s.stage)
	if err != nil {
		return plan.None, err
	}
	if st == nil {
		return c.image(name, loc)
	}
	done, err := c.convert(st)
	if err != nil {
		return plan.None, err
	}
	return done.fs, nil
}

// cleanRel makes a path relative to its root, without "..".
func cleanRel(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }
