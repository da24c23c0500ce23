package dockerfile

import (
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/platforms"
)

// vars is an ordered set of variables. It implements shell.EnvGetter.
type vars struct {
	keys   []string
	values map[string]string
}

func newVars() *vars { return &vars{values: map[string]string{}} }

// Get returns the value of a variable.
func (v *vars) Get(key string) (string, bool) {
	val, ok := v.values[key]
	return val, ok
}

// Keys returns the names in the order of their first setting.
func (v *vars) Keys() []string { return v.keys }

func (v *vars) set(key, value string) {
	if _, ok := v.values[key]; !ok {
		v.keys = append(v.keys, key)
	}
	v.values[key] = value
}

func (v *vars) clone() *vars {
	w := newVars()
	for _, k := range v.keys {
		w.set(k, v.values[k])
	}
	return w
}

// list returns the variables as KEY=value.
func (v *vars) list() []string {
	out := make([]string, len(v.keys))
	for i, k := range v.keys {
		out[i] = k + "=" + v.values[k]
	}
	return out
}

// setEnv sets key in a list of KEY=value, in place.
func setEnv(env []string, key, value string) []string {
	for i, e := range env {
		if k, _, _ := strings.Cut(e, "="); k == key {
			env = slices.Clone(env)
			env[i] = key + "=" + value
			return env
		}
	}
	return append(slices.Clip(env), key+"="+value)
}

// proxyArgs may be given without an ARG, and then are in no key and no history.
var proxyArgs = []string{
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy",
	"NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
}

// platformArgs are the arguments that every Dockerfile has in global scope.
func platformArgs(target, build ocispec.Platform) *vars {
	v := newVars()
	for prefix, p := range map[string]ocispec.Platform{"TARGET": target, "BUILD": build} {
		v.set(prefix+"PLATFORM", platforms.Format(p))
		v.set(prefix+"OS", p.OS)
		v.set(prefix+"ARCH", p.Architecture)
		v.set(prefix+"VARIANT", p.Variant)
	}
	return v
}

// globalArgs evaluates the ARGs before the first FROM.
func (c *converter) globalArgs(f file) (err error) {
	c.global, err = c.argDefaults(f, c.opt.BuildArgs)
	return err
}

// argDefaults evaluates the ARGs before the first FROM, with these arguments
// given.
func (c *converter) argDefaults(f file, given map[string]string) (*vars, error) {
	v := platformArgs(c.opt.Platform, c.opt.Build)
	v.set("TARGETSTAGE", c.opt.Target)
	if c.opt.Target == "" {
		v.set("TARGETSTAGE", f.stages[len(f.stages)-1].Name)
	}
	for k := range v.values {
		if value, ok := given[k]; ok {
			v.set(k, value)
		}
	}
	for _, cmd := range f.global {
		for _, arg := range cmd.Args {
			value, set := given[arg.Key]
			if !set && arg.Value != nil {
				var err error
				if value, _, err = c.lex.ProcessWord(*arg.Value, v); err != nil {
					return nil, plan.At(c.at(cmd.Location(), text(&cmd)), errdefs.Errorf(errdefs.ErrInvalid, "%w", err))
				}
				set = true
			}
			if set {
				v.set(arg.Key, value)
			}
		}
	}
	return v, nil
}

// expandFrom expands a word of a FROM by the global arguments.
func (c *converter) expandFrom(word string, p instructions.Stage, f file) (shell.ProcessWordResult, error) {
	res, err := c.lex.ProcessWordWithMatches(word, c.global)
	if err != nil {
		return res, invalid("%w", err)
	}
	declared := slices.Clone(c.global.Keys())
	for _, cmd := range f.global {
		for _, arg := range cmd.Args {
			declared = append(declared, arg.Key)
		}
	}
	for _, name := range sorted(res.Unmatched) {
		if !slices.Contains(declared, name) {
			c.lint.Run(&linter.RuleUndefinedArgInFrom, p.Location,
				linter.RuleUndefinedArgInFrom.Format(name, didYouMean(name, declared)))
		}
	}
	if res.Result == "" {
		return res, invalid("%q expands to nothing: an ARG used by FROM must stand before the first FROM and have a value", word)
	}
	return res, nil
}

// fromPlatform reads FROM --platform.
func (c *converter) fromPlatform(p instructions.Stage, f file) (ocispec.Platform, error) {
	res, err := c.expandFrom(p.Platform, p, f)
	if err != nil {
		return ocispec.Platform{}, err
	}
	plat, err := buildPlatform(res.Result)
	if err != nil {
		return plat, err
	}
	target, _ := c.global.Get("TARGETPLATFORM")
	_, isTarget := res.Matched["TARGETPLATFORM"]
	constant := len(res.Matched) == 0 && len(res.Unmatched) == 0
	switch {
	case isTarget && len(res.Matched) == 1 && len(res.Unmatched) == 0 && res.Result == target:
		c.lint.Run(&linter.RuleRedundantTargetPlatform, p.Location,
			linter.RuleRedundantTargetPlatform.Format(p.Platform))
	case constant && !strings.Contains(p.Name, plat.OS) && !strings.Contains(p.Name, plat.Architecture):
		// A stage that is named after its platform means that one.
		c.lint.Run(&linter.RuleFromPlatformFlagConstDisallowed, p.Location,
			linter.RuleFromPlatformFlagConstDisallowed.Format(res.Result))
	}
	return plat, nil
}

var _ shell.EnvGetter = (*vars)(nil)

// warnUnusedArgs names the build arguments that no ARG takes, not even of a
// stage that is not built: mostly a slip of the pen.
func (c *converter) warnUnusedArgs(f file) {
	taken := append(slices.Concat(c.onArgs, proxyArgs, c.global.Keys()), "SOURCE_DATE_EPOCH", syntaxArg, checkArg)
	for _, st := range f.stages {
		for _, cmd := range st.Commands {
			if arg, ok := cmd.(*instructions.ArgCommand); ok {
				for _, a := range arg.Args {
					taken = append(taken, a.Key)
				}
			}
		}
	}
	for _, cmd := range f.global {
		for _, a := range cmd.Args {
			taken = append(taken, a.Key)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(c.opt.BuildArgs)) {
		if !slices.Contains(taken, k) {
			c.warn(plan.Warning{
				Location: plan.Location{File: c.opt.Name}, Rule: "UnusedBuildArg",
				Text: "no ARG takes the build argument " + k,
			})
		}
	}
}
