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
		v.set(prefix+"PLATFORM", formatPlatform(p))
		v.set(prefix+"OS", p.OS)
		v.set(prefix+"ARCH", p.Architecture)
		v.set(prefix+"VARIANT", p.Variant)
	}
	return v
}

// globalArgs evaluates the ARGs before the first FROM.
func (c *converter) globalArgs(f file) error {
	v := platformArgs(c.opt.Platform, c.opt.Build)
	v.set("TARGETSTAGE", c.opt.Target)
	if c.opt.Target == "" {
		v.set("TARGETSTAGE", f.stages[len(f.stages)-1].Name)
	}
	for k := range v.values {
		if given, ok := c.opt.BuildArgs[k]; ok {
			v.set(k, given)
		}
	}
	for _, cmd := range f.global {
		for _, arg := range cmd.Args {
			value, set := c.opt.BuildArgs[arg.Key]
			if !set && arg.Value != nil {
				var err error
				if value, _, err = c.lex.ProcessWord(*arg.Value, v); err != nil {
					return plan.At(c.at(cmd.Location(), text(&cmd)), errdefs.Errorf(errdefs.ErrInvalid, "%w", err))
				}
				set = true
			}
			if set {
				v.set(arg.Key, value)
			}
		}
	}
	c.global = v
	return nil
}

// expandFrom expands the name of a FROM by the global arguments.
func (c *converter) expandFrom(word string, loc plan.Location) (string, error) {
	res, err := c.lex.ProcessWordWithMatches(word, c.global)
	if err != nil {
		return "", plan.At(loc, errdefs.Errorf(errdefs.ErrInvalid, "%w", err))
	}
	if res.Result == "" {
		return "", plan.At(loc, errdefs.Errorf(errdefs.ErrInvalid,
			"%q expands to nothing: an ARG used by FROM must stand before the first FROM and have a value", word))
	}
	for name := range res.Unmatched {
		c.warnAt(loc, &linter.RuleUndefinedArgInFrom, linter.RuleUndefinedArgInFrom.Format(name, ""))
	}
	return res.Result, nil
}

// fromPlatform reads FROM --platform.
func (c *converter) fromPlatform(p instructions.Stage, loc plan.Location) (ocispec.Platform, error) {
	word, err := c.expandFrom(p.Platform, loc)
	if err != nil {
		return ocispec.Platform{}, err
	}
	plat, err := ParsePlatform(word)
	if err != nil {
		return plat, plan.At(loc, err)
	}
	switch {
	case p.Platform == "$TARGETPLATFORM" || p.Platform == "${TARGETPLATFORM}":
		c.warnAt(loc, &linter.RuleRedundantTargetPlatform, linter.RuleRedundantTargetPlatform.Format(p.Platform))
	case word == p.Platform:
		c.warnAt(loc, &linter.RuleFromPlatformFlagConstDisallowed, linter.RuleFromPlatformFlagConstDisallowed.Format(word))
	}
	return plat, nil
}

var _ shell.EnvGetter = (*vars)(nil)

// warnUnusedArgs names the build arguments that no ARG takes, not even of a
// stage that is not built: mostly a slip of the pen.
func (c *converter) warnUnusedArgs(f file) {
	taken := append(slices.Concat(c.onArgs, proxyArgs, c.global.Keys()), "SOURCE_DATE_EPOCH")
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
		if !slices.Contains(taken, k) && !strings.HasPrefix(k, "BUILDKIT_") {
			c.warn(plan.Warning{Location: plan.Location{File: c.opt.Name}, Rule: "UnusedBuildArg", Text: "no ARG takes the build argument " + k})
		}
	}
}
