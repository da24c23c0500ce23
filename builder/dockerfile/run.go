package dockerfile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"cove/builder/dockerfile/values"
	"cove/builder/dockerfile/vars"
	"cove/builder/plan"
	"cove/errdefs"
)

// proxyEnv lists the proxy settings that were given and that no ARG declares.
func (c *converter) proxyEnv(s *state) []string {
	var env []string
	for _, name := range vars.Proxy {
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
	c.lint.Joins(cmd)
	c.lint.Apt(&s.updated, cmd)
	op := &plan.Run{
		Env: s.vars.List(), Cwd: s.abs("."), User: s.config.User, ProxyEnv: c.proxyEnv(s), Platform: s.platform,
		Hosts: c.opt.Hosts,
	}
	args, document, err := values.Command(cmd, s.shell())
	if err != nil {
		return err
	}
	op.Args, op.Mounts = args, document
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

// entitlements reads --network, --security and --device.
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
	var err error
	op.Devices, err = values.Devices(cmd, c.allowed)
	return err
}

func (c *converter) allowed(entitlement string) bool {
	return slices.Contains(c.opt.Allow, entitlement)
}

// mounts reads every --mount and returns the vertices that they read from.
func (c *converter) mounts(s *state, cmd *instructions.RunCommand, op *plan.Run, loc plan.Location) ([]plan.ID, error) {
	var inputs []plan.ID
	for _, m := range instructions.GetMounts(cmd) {
		out, err := values.Mount(m, op.Mounts, s.abs)
		if err != nil {
			return nil, err
		}
		s.stage.asks.Mount(out, cmd.Location())
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
		if m.Type == instructions.MountTypeBind && (m.From == "" || files != "") {
			out.From = plan.Origin(len(inputs))
			inputs = append(inputs, c.contextTree(s, files, out.Source, loc))
		}
		op.Mounts = append(op.Mounts, out)
	}
	return inputs, nil
}

// origin finds the vertex of a from=; None is an empty filesystem.
func (c *converter) origin(s *state, name string, loc plan.Location) (plan.ID, error) {
	if name == scratch {
		return plan.None, nil
	}
	if files := c.filesNamed(name); files != "" && c.byName[strings.ToLower(name)] == nil {
		return c.contextTree(s, files, "", loc), nil
	}
	st, err := c.stageNamed(name)
	if err != nil {
		return plan.None, err
	}
	if st == nil {
		id, err := c.image(name, loc)
		return id, c.hinted(err, name, s.stage.index)
	}
	done, err := c.convert(st)
	if err != nil {
		return plan.None, err
	}
	s.stage.asks.Needs(st.asks)
	return done.fs, nil
}
