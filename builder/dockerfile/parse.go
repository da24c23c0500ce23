package dockerfile

import (
	"cove/builder/dockerfile/lint"
	"cove/builder/dockerfile/syntax"
	"cove/builder/plan"
	"cove/errdefs"
)

// maxSize is the largest Dockerfile that is read.
const maxSize = 16 << 20

// parse reads the syntax and fires the rules that need nothing else.
func (c *converter) parse() (f syntax.File, err error) {
	file := plan.Location{File: c.opt.Name}
	// The parser has panicked on bad input before; bytes from outside must not
	// end the process.
	defer func() {
		if p := recover(); p != nil {
			err = plan.At(file, errdefs.Errorf(errdefs.ErrInvalid, "the parser gave up: %v", p))
		}
	}()
	if len(c.source.Text) > maxSize {
		return f, plan.At(file, invalid("larger than %d MiB", maxSize>>20))
	}
	if c.lint, err = lint.New(c.source, c.given(lint.Arg)); err != nil {
		return f, err
	}
	if err := c.source.CheckFrontend(c.given(syntax.Arg)); err != nil {
		return f, err
	}
	if f, err = c.source.Parse(c.lint.Linter); err != nil {
		return f, err
	}
	c.lint.Dashes(f.Instructions)
	c.lint.Stages(f.Stages)
	c.lint.Casing(f.Stages)
	return f, nil
}

// given is a build argument; nil is one that was not given.
func (c *converter) given(name string) *string {
	if value, ok := c.opt.BuildArgs[name]; ok {
		return &value
	}
	return nil
}
