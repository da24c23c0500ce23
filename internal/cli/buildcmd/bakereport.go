package buildcmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/bakefile/definition"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/progress/steps"
)

// report says what was built of each target.
func (f *bakeFlags) report(a *app.App, plan *definition.Plan, all []*buildFlags, results []*builds.Result) error {
	about := map[string]map[string]any{}
	quiet := f.progress == "quiet"
	for i, name := range plan.Order() {
		made := results[i].Image()
		var err error
		if about[name], err = metadataOf(results[i]); err != nil {
			return err
		}
		if !quiet {
			steps.Warnings(a.Err, results[i].Warnings)
		}
		if all[i].toStdout || made.Target.Digest == "" {
			continue
		}
		id := made.Config
		if id == "" {
			id = made.Target.Digest
		}
		fmt.Fprintf(a.Out, "%s: %s\n", name, strings.ReplaceAll(builtLine(id, made.Names), "\n", "\n"+name+": "))
	}
	if f.metadata == "" {
		return nil
	}
	text, err := json.MarshalIndent(about, "", "  ")
	if err == nil {
		err = app.WriteText(f.metadata, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--metadata-file: %w", err)
	}
	return nil
}

// listing lists what a definition has.
func (f *bakeFlags) listing(a *app.App, d *definition.Definition) error {
	what, format := f.list, ""
	for _, field := range strings.Split(f.list, ",") {
		key, value, ok := strings.Cut(field, "=")
		switch {
		case ok && key == "type":
			what = value
		case ok && key == "format" && (value == "json" || value == "table"):
			format = value
		case ok:
			return errdefs.Errorf(errdefs.ErrInvalid,
				"--list %s: want targets, variables, or type=TYPE,format=json", f.list)
		}
	}
	switch {
	case what == "targets" && format == "json":
		return printJSON(a, d.List())
	case what == "variables" && format == "json":
		return printJSON(a, d.Variables)
	case what == "targets":
		return targetList.Write(a.Out, output.Options{}, targetRows(d.List()))
	case what == "variables":
		return variableList.Write(a.Out, output.Options{}, variableRows(d.Variables))
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "--list %s: want targets or variables", f.list)
}

// printJSON prints a list as buildx does.
func printJSON(a *app.App, list any) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(a.Out, "%s\n", text)
	}
	return err
}

// targetRow and variableRow are lines of bake --list.
type (
	targetRow   struct{ Name, Description string }
	variableRow struct{ Name, Type, Value, Description string }
)

var targetList = output.List[targetRow]{ID: "Name", Columns: []output.Column{
	{Field: "Name", Header: "TARGET"}, {Field: "Description", Header: "DESCRIPTION"},
}}

var variableList = output.List[variableRow]{ID: "Name", Columns: []output.Column{
	{Field: "Name", Header: "VARIABLE"},
	{Field: "Type", Header: "TYPE"},
	{Field: "Value", Header: "VALUE"},
	{Field: "Description", Header: "DESCRIPTION"},
}}

func targetRows(all []definition.Listed) (rows []targetRow) {
	for _, l := range all {
		rows = append(rows, targetRow{l.Name, l.Description})
	}
	return rows
}

func variableRows(all []definition.Variable) (rows []variableRow) {
	for _, v := range all {
		rows = append(rows, variableRow{v.Name, v.Type, v.Value, v.Description})
	}
	return rows
}

// checkAllowed refuses what a file asks for that whoever calls bake did not allow: a
// file may be a stranger's. What is below the working directory may be read and
// written.
func checkAllowed(plan *definition.Plan, allow []string) error {
	var read, write []string
	given := map[string]bool{}
	for _, a := range allow {
		key, path, hasPath := strings.Cut(a, "=")
		switch {
		case hasPath && key == "fs":
			read, write = append(read, path), append(write, path)
		case hasPath && key == "fs.read":
			read = append(read, path)
		case hasPath && key == "fs.write":
			write = append(write, path)
		case !hasPath && (key == "network.host" || key == "security.insecure" || key == "ssh"):
			given[key] = true
		default:
			return errdefs.Errorf(errdefs.ErrInvalid,
				"--allow %s: want network.host, security.insecure, ssh, fs=PATH, fs.read=PATH or fs.write=PATH", a)
		}
	}
	files := true
	if on, err := strconv.ParseBool(os.Getenv("BUILDX_BAKE_ENTITLEMENTS_FS")); err == nil {
		files = on
	}
	for _, name := range plan.Order() {
		t := plan.Targets[name]
		for _, e := range t.Entitlements {
			if !given[e] {
				return errdefs.Errorf(errdefs.ErrDenied, "target %s asks for %s: allow it with --allow %s", name, e, e)
			}
		}
		if !files {
			continue
		}
		reads, writes := t.Paths()
		if err := within(name, "read", reads, read); err != nil {
			return err
		}
		if err := within(name, "write", writes, write); err != nil {
			return err
		}
	}
	return nil
}

// within refuses paths outside of the working directory that are not allowed.
func within(target, verb string, paths, allowed []string) error {
	allowed = append([]string{"."}, allowed...)
	for _, p := range paths {
		real, err := realPath(p)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "target %s: %w", target, err)
		}
		ok := slices.ContainsFunc(allowed, func(dir string) bool {
			if dir == "*" {
				return true
			}
			top, err := realPath(dir)
			if err != nil {
				return false
			}
			rel, err := filepath.Rel(top, real)
			return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
		})
		if !ok {
			return errdefs.Errorf(errdefs.ErrDenied,
				"target %s wants to %s %s, which is outside of this directory: allow it with --allow fs.%s=%s",
				target, verb, p, verb, p)
		}
	}
	return nil
}

// realPath is a path without links, as far as it exists.
func realPath(p string) (string, error) {
	abs, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err == nil {
		return real, nil
	}
	if parent := filepath.Dir(abs); parent != abs {
		top, err := realPath(parent)
		return filepath.Join(top, filepath.Base(abs)), err
	}
	return abs, nil
}
