// Package callcmd is --call of build and bake: what a Dockerfile says of itself, without a
// build.
package callcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// Call is what is asked, and how the answer is shown.
type Call struct {
	question           string // "" is none: build
	json, ignoreStatus bool
}

// names are the questions as people call them.
var names = map[string]string{
	"": "", "build": "", "check": builds.AskLint, "lint": builds.AskLint, "outline": builds.AskOutline,
	"targets": builds.AskTargets, "subrequests.describe": builds.AskDescribe,
}

// Parse reads --call NAME[,format=text|json][,ignorestatus=true], and --check.
func Parse(flag string, check bool) (c Call, err error) {
	name := ""
	for _, field := range strings.Split(flag, ",") {
		key, value, ok := strings.Cut(field, "=")
		switch {
		case !ok && name != "":
			return c, refused("%s: it names both %s and %s", flag, name, field)
		case !ok:
			name = field
		case key == "format" && (value == "json" || value == "text"):
			c.json = value == "json"
		case key == "format":
			return c, refused("%s: want format=text or format=json", flag)
		case key == "ignorestatus":
			if c.ignoreStatus, err = strconv.ParseBool(value); err != nil {
				return c, refused("%s: want ignorestatus=true or false", flag)
			}
		default:
			return c, refused("%s: %q is none of format and ignorestatus", flag, key)
		}
	}
	question, known := names[name]
	switch {
	case !known:
		return c, refused("%s: want build, check, outline, targets or subrequests.describe", name)
	case check && question != "" && question != builds.AskLint:
		return c, refused("%s with --check: one of them", name)
	case check:
		question = builds.AskLint
	}
	c.question = question
	return c, nil
}

func refused(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "--call "+format, args...)
}

// Asks says whether something is asked in place of a build.
func (c Call) Asks() bool { return c.question != "" }

// Run asks about the first build and prints the answer; the others are what it may build
// on.
func (c Call) Run(ctx context.Context, a *app.App, eng builds.Engine, all []builds.Options) error {
	code, err := c.print(ctx, a.Out, eng, all)
	if err == nil && code != 0 {
		return &app.Exit{Code: code}
	}
	return err
}

func (c Call) print(ctx context.Context, w io.Writer, eng builds.Engine, all []builds.Options) (code int, err error) {
	answer, err := builds.Ask(ctx, eng, all, c.question)
	lint, isLint := answer.(*builds.Lint)
	if err != nil && !isLint {
		return 0, err
	}
	if c.json {
		text, failed := builds.AnswerJSON(answer)
		if failed != nil {
			return 0, failed
		}
		fmt.Fprintf(w, "%s\n", text)
	} else {
		answer.Print(w)
		if isLint && err != nil && len(lint.Warnings) > 0 {
			fmt.Fprintln(w)
		}
	}
	if c.ignoreStatus {
		return 0, err
	}
	return answer.Status(), err
}

// Target is a target of a bake file.
type Target struct {
	Name, Description string
	Call              string // as the file says
	Build             json.RawMessage
}

// Plan is what a bake file says is to be built.
type Plan struct {
	Groups  json.RawMessage
	Targets []Target
	Options []builds.Options // of all targets
}

// Bake asks about each target that says so, and prints the answers as docker buildx bake
// does; done says that something was asked.
func (c Call) Bake(ctx context.Context, a *app.App, eng builds.Engine, plan Plan) (done bool, err error) {
	code := 0
	answers := map[string]map[string]any{}
	for _, t := range plan.Targets {
		answers[t.Name] = map[string]any{"build": t.Build}
		one, err := Parse(t.Call, false)
		if err != nil {
			return false, errdefs.Errorf(errdefs.KindOf(err), "target %s: %w", t.Name, err)
		}
		if !one.Asks() {
			continue
		}
		one.json, one.ignoreStatus = c.json || one.json, c.ignoreStatus || one.ignoreStatus
		var out strings.Builder
		status, err := one.print(ctx, &out, eng, first(plan.Options, t.Name))
		if err != nil {
			status = 1
		}
		code = max(code, status)
		if c.json {
			answers[t.Name][one.key()] = fields(out.String(), err)
			done = true
			continue
		}
		if done {
			fmt.Fprintln(a.Out)
		}
		done = true
		head := t.Name + "\n"
		if t.Description != "" {
			head += t.Description + "\n"
		}
		fmt.Fprintf(a.Out, "%s\n%s", head, out.String())
		if err != nil {
			fmt.Fprintf(a.Out, "error: %v\n", err)
		}
	}
	if done && c.json {
		text, err := json.MarshalIndent(map[string]any{"group": plan.Groups, "target": answers}, "", "  ")
		if err != nil {
			return done, errdefs.Errorf(errdefs.ErrInvalid, "describing targets: %w", err)
		}
		fmt.Fprintf(a.Out, "%s\n", text)
	}
	if code != 0 {
		return done, &app.Exit{Code: code}
	}
	return done, nil
}

// Name is the question as a bake file says it.
func (c Call) Name() string { return c.question }

// key is what the answer is called beside its target.
func (c Call) key() string {
	if c.question == builds.AskLint {
		return "check"
	}
	return c.question
}

// fields are those of an answer, with the error.
func fields(text string, err error) map[string]any {
	all := map[string]any{}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) == nil {
		for k, v := range object {
			all[k] = v
		}
	}
	if err != nil {
		all["error"] = err.Error()
	}
	return all
}

// first puts the options of one target before the others.
func first(all []builds.Options, name string) []builds.Options {
	var front, rest []builds.Options
	for _, o := range all {
		if inline, ok := o.Stdin.(*strings.Reader); ok {
			_, _ = inline.Seek(0, io.SeekStart) // a Dockerfile in the bake file, that was read for another target
		}
		if o.Name == name {
			front = append(front, o)
		} else {
			rest = append(rest, o)
		}
	}
	return append(front, rest...)
}
