package dockerfile

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/dockerfile/lint"
	"cove/builder/dockerfile/syntax"
	"cove/builder/dockerfile/values"
	"cove/builder/dockerfile/vars"
	"cove/builder/plan"
	"cove/reference"
)

// argDefaults evaluates the ARGs before the first FROM, with these arguments given.
func (c *converter) argDefaults(
	f syntax.File, given map[string]string,
) (*vars.Set, map[string]vars.Declaration, error) {
	v := vars.Platform(c.opt.Platform, c.opt.Build)
	v.Set("TARGETSTAGE", cmp.Or(c.opt.Target, f.Stages[len(f.Stages)-1].Name, "default"))
	for _, k := range v.Keys() {
		if value, ok := given[k]; ok {
			v.Set(k, value)
		}
	}
	declared, failed, err := v.Declare(c.lex, f.Global, given)
	if err != nil {
		err = plan.At(c.source.Range(failed.Location(), syntax.Written(failed)), invalid("%w", err))
	}
	return v, declared, err
}

// expandFrom expands a word of a FROM by the global arguments.
func (c *converter) expandFrom(word string, p instructions.Stage, f syntax.File) (shell.ProcessWordResult, error) {
	res, err := c.lex.ProcessWordWithMatches(word, c.global)
	if err != nil {
		return res, invalid("%w", vars.Unclosed(err))
	}
	declared := slices.Clone(c.global.Keys())
	for _, cmd := range f.Global {
		for _, arg := range cmd.Args {
			declared = append(declared, arg.Key)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(res.Unmatched)) {
		if !slices.Contains(declared, name) {
			c.lint.Run(&linter.RuleUndefinedArgInFrom, p.Location,
				linter.RuleUndefinedArgInFrom.Format(name, lint.DidYouMean(name, declared)))
		}
	}
	if res.Result == "" {
		return res, invalid("%q expands to nothing: an ARG used by FROM must stand before the first FROM and have a value", word)
	}
	return res, nil
}

// fromPlatform reads FROM --platform.
func (c *converter) fromPlatform(st *stage, f syntax.File) (ocispec.Platform, error) {
	p := st.Stage
	res, err := c.expandFrom(p.Platform, p, f)
	if err != nil {
		return ocispec.Platform{}, err
	}
	st.asks.Use(res.Matched)
	plat, err := values.Platform(res.Result)
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

// warnUnusedArgs names the build arguments that no ARG takes, not even of a
// stage that is not built: mostly a slip of the pen.
func (c *converter) warnUnusedArgs(f syntax.File) {
	taken := slices.Concat(f.Args(), c.onArgs, vars.Proxy, c.global.Keys(),
		[]string{"SOURCE_DATE_EPOCH", syntax.Arg, lint.Arg})
	for _, k := range slices.Sorted(maps.Keys(c.opt.BuildArgs)) {
		if !slices.Contains(taken, k) {
			c.lint.Warn(plan.Warning{
				Location: plan.Location{File: c.opt.Name}, Rule: "UnusedBuildArg",
				Text: "no ARG takes the build argument " + k,
			})
		}
	}
}

// lintDefaults fires the rule about a FROM that names no image when no build
// argument is given, whatever was given now.
func (c *converter) lintDefaults(f syntax.File) {
	defaults, _, err := c.argDefaults(f, nil)
	if err != nil {
		return // an error that is told elsewhere
	}
	for _, st := range f.Stages {
		name, _, err := c.lex.ProcessWord(st.BaseName, defaults)
		if err != nil {
			return
		}
		if _, err := reference.Parse(name); err != nil {
			c.lint.Run(&linter.RuleInvalidDefaultArgInFrom, st.Location,
				linter.RuleInvalidDefaultArgInFrom.Format(st.BaseName))
		}
	}
}
