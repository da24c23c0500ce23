package dockerfile

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"cove/builder/dockerfile/lint"
	"cove/builder/dockerfile/syntax"
	"cove/builder/dockerfile/values"
	"cove/builder/dockerfile/vars"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/layers/whiteout"
)

// invalid is an error about what the Dockerfile says.
func invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}

// dispatch applies one instruction to the state. The caller adds the location.
func (c *converter) dispatch(s *state, cmd instructions.Command) error {
	defer c.lint.Below(cmd.Comments())()
	if err := c.expand(s, cmd); err != nil {
		return err
	}
	loc := c.source.Range(cmd.Location(), syntax.Written(cmd))
	switch cmd := cmd.(type) {
	case *instructions.RunCommand:
		return c.run(s, cmd, loc)
	case *instructions.CopyCommand:
		return c.copy(s, cmd, loc)
	case *instructions.AddCommand:
		return c.addFiles(s, cmd, loc)
	case *instructions.WorkdirCommand:
		return c.workdir(s, cmd, loc)
	case *instructions.ArgCommand:
		return c.arg(s, cmd)
	case *instructions.EnvCommand:
		return c.env(s, cmd)
	case *instructions.LabelCommand:
		return c.label(s, cmd)
	case *instructions.ExposeCommand:
		return c.expose(s, cmd)
	case *instructions.CmdCommand:
		c.cmd(s, cmd)
	case *instructions.EntrypointCommand:
		c.entrypoint(s, cmd)
	case *instructions.HealthCheckCommand:
		c.lint.Once(s.seen, cmd)
		s.config.Healthcheck = cmd.Health
		s.record(fmt.Sprintf("HEALTHCHECK %+v", *cmd.Health), plan.None, c.opt)
	case *instructions.UserCommand:
		if err := values.CheckOwner("USER ", cmd.User); err != nil {
			return err
		}
		s.config.User = cmd.User
		s.record("USER "+cmd.User, plan.None, c.opt)
	case *instructions.VolumeCommand:
		return c.volume(s, cmd)
	case *instructions.StopSignalCommand:
		return c.stopSignal(s, cmd)
	case *instructions.ShellCommand:
		if strings.TrimSpace(cmd.Shell[0]) == "" {
			return invalid("SHELL needs the path of a program")
		}
		s.config.Shell = cmd.Shell
		s.record(fmt.Sprintf("SHELL %v", cmd.Shell), plan.None, c.opt)
	case *instructions.OnbuildCommand:
		if _, err := syntax.Trigger(cmd.Expression, 1); err != nil {
			return invalid("%w", err)
		}
		s.config.OnBuild = append(slices.Clip(s.config.OnBuild), cmd.Expression)
		s.triggers = append(s.triggers, cmd.Expression)
	case *instructions.MaintainerCommand:
		s.author = cmd.Maintainer
		s.record("MAINTAINER "+cmd.Maintainer, plan.None, c.opt)
	default:
		return errdefs.Errorf(errdefs.ErrUnsupported, "the instruction %s is not supported",
			strings.ToUpper(cmd.Name()))
	}
	return nil
}

// expand replaces variables in the instructions that have them replaced. ARG
// is not among them: it decides itself whether its default counts.
func (c *converter) expand(s *state, cmd instructions.Command) error {
	if _, ok := cmd.(*instructions.ArgCommand); ok {
		return nil
	}
	if ex, ok := cmd.(instructions.SupportsSingleWordExpansion); ok {
		if err := ex.Expand(c.expander(s, cmd, c.lex)); err != nil {
			return invalid("%w", err)
		}
	}
	if ex, ok := cmd.(instructions.SupportsSingleWordExpansionRaw); ok {
		lex := shell.NewLex('\\')
		lex.SkipProcessQuotes = true
		if err := ex.ExpandRaw(c.expander(s, cmd, lex)); err != nil {
			return invalid("%w", err)
		}
	}
	return nil
}

// maxWord is how long a word may become: as much as the kernel takes in one
// string of an environment. It also ends "ENV A=$A$A" repeated.
const maxWord = 128 << 10

// expander returns what expands one word, and warns of what is not set.
func (c *converter) expander(s *state, cmd instructions.Command, lex *shell.Lex) instructions.SingleWordExpander {
	return func(word string) (string, error) {
		out, unset, err := lex.ProcessWord(word, s.vars)
		for _, name := range slices.Sorted(maps.Keys(unset)) {
			if !slices.Contains(s.args, name) && !slices.Contains(vars.Proxy, name) {
				c.lint.Run(&linter.RuleUndefinedVar, cmd.Location(),
					linter.RuleUndefinedVar.Format(name, lint.DidYouMean(name, s.vars.Keys())))
			}
		}
		if len(out) > maxWord {
			return "", invalid("a word expands to %d bytes; the kernel takes %d", len(out), maxWord)
		}
		return out, vars.Unclosed(err)
	}
}

func (c *converter) arg(s *state, cmd *instructions.ArgCommand) error {
	var shown []string
	for _, arg := range cmd.Args {
		c.lint.Arg(arg.Key, cmd)
		c.onArgs = append(c.onArgs, arg.Key)
		value, set := c.opt.BuildArgs[arg.Key]
		if !set && arg.Value != nil {
			var err error
			if value, err = c.expander(s, cmd, c.lex)(*arg.Value); err != nil {
				return invalid("%w", err)
			}
			set = true
		}
		inherited := false
		if !set {
			value, set = c.global.Get(arg.Key)
			inherited = set
		}
		s.stage.asks.Arg(arg, value, inherited, cmd.Location())
		line := arg.Key
		if set {
			s.vars.Set(arg.Key, value)
			line += "=" + value
		}
		if !slices.Contains(s.args, arg.Key) {
			s.args = append(s.args, arg.Key)
		}
		shown = append(shown, line)
	}
	s.record("ARG "+strings.Join(shown, " "), plan.None, c.opt)
	return nil
}

func (c *converter) env(s *state, cmd *instructions.EnvCommand) error {
	line := "ENV"
	for _, kv := range cmd.Env {
		if kv.Key == "" || strings.ContainsAny(kv.Key, "=\x00") || strings.ContainsRune(kv.Value, 0) {
			return invalid("%q is not a variable's name", kv.Key)
		}
		c.lint.Legacy(kv, cmd)
		c.lint.Secret("ENV", kv.Key, cmd)
		s.vars.Set(kv.Key, kv.Value)
		s.config.Env = vars.SetEnv(s.config.Env, kv.Key, kv.Value)
		line += " " + kv.String()
	}
	s.record(line, plan.None, c.opt)
	return nil
}

func (c *converter) label(s *state, cmd *instructions.LabelCommand) error {
	line := "LABEL"
	for _, kv := range cmd.Labels {
		if kv.Key == "" {
			return invalid("a label needs a name")
		}
		c.lint.Legacy(kv, cmd)
		if s.config.Labels == nil {
			s.config.Labels = map[string]string{}
		}
		s.config.Labels[kv.Key] = kv.Value
		line += " " + kv.String()
	}
	s.record(line, plan.None, c.opt)
	return nil
}

func (c *converter) workdir(s *state, cmd *instructions.WorkdirCommand, loc plan.Location) error {
	if strings.ContainsRune(cmd.Path, 0) {
		return invalid("a path cannot hold a NUL byte")
	}
	if !path.IsAbs(cmd.Path) && !s.workdirSet {
		c.lint.Run(&linter.RuleWorkdirRelativePath, cmd.Location(), linter.RuleWorkdirRelativePath.Format(cmd.Path))
	}
	s.workdirSet = true
	dir := s.abs(cmd.Path)
	if err := whiteout.Within(dir); err != nil {
		return err
	}
	s.config.WorkingDir = dir
	if dir == "/" {
		s.step++
		s.record("WORKDIR /", plan.None, c.opt)
		return nil
	}
	c.change(s, &plan.Workdir{Path: dir, User: s.config.User}, loc, nil, "WORKDIR "+dir)
	return nil
}

// abs resolves a path against the working directory, lexically and below /.
func (s *state) abs(p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", s.config.WorkingDir, p)
}

func (c *converter) volume(s *state, cmd *instructions.VolumeCommand) error {
	if s.config.Volumes == nil {
		s.config.Volumes = map[string]struct{}{}
	}
	for _, v := range cmd.Volumes {
		if v == "" {
			return invalid("VOLUME needs a path; it expanded to nothing")
		}
		s.config.Volumes[v] = struct{}{}
	}
	s.record(fmt.Sprintf("VOLUME %v", cmd.Volumes), plan.None, c.opt)
	return nil
}

func (c *converter) stopSignal(s *state, cmd *instructions.StopSignalCommand) error {
	if err := values.CheckSignal(cmd.Signal); err != nil {
		return err
	}
	s.config.StopSignal = cmd.Signal
	s.record("STOPSIGNAL "+cmd.Signal, plan.None, c.opt)
	return nil
}

func (c *converter) cmd(s *state, cmd *instructions.CmdCommand) {
	c.lint.Once(s.seen, cmd)
	c.lint.Command(s.seen, cmd, cmd.ShellDependantCmdLine, len(s.config.Shell) > 0)
	s.config.Cmd = values.CommandLine(cmd.ShellDependantCmdLine, s.shell())
	s.record(fmt.Sprintf("CMD %q", s.config.Cmd), plan.None, c.opt)
}

func (c *converter) entrypoint(s *state, cmd *instructions.EntrypointCommand) {
	c.lint.Once(s.seen, cmd)
	c.lint.Command(s.seen, cmd, cmd.ShellDependantCmdLine, len(s.config.Shell) > 0)
	s.config.Entrypoint = values.CommandLine(cmd.ShellDependantCmdLine, s.shell())
	if _, ok := s.seen["cmd"]; !ok {
		// A CMD that came with the base was made for the base's entrypoint.
		s.config.Cmd = nil
	}
	s.record(fmt.Sprintf("ENTRYPOINT %q", s.config.Entrypoint), plan.None, c.opt)
}

// shell is what takes a shell form as its last argument.
func (s *state) shell() []string {
	if len(s.config.Shell) == 0 {
		return []string{"/bin/sh", "-c"}
	}
	return s.config.Shell
}
