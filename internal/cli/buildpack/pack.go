// Package buildpack takes the files of a build along to another machine.
package buildpack

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cove/engine/builds/sent"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/buildflags"
	"cove/internal/cli/remote"
)

// packer takes a build's files along to another machine: all that docker's client would
// read is read here, and what the build writes comes back.
type packer struct {
	*remote.Luggage
	cmd *cobra.Command
}

// Pack fills the luggage of build.
func Pack(ctx context.Context, cmd *cobra.Command, l *remote.Luggage) error {
	p := packer{l, cmd}
	for _, do := range []func() error{
		func() error { return p.arguments(ctx) }, func() error { return p.context(ctx) },
		func() error { return p.contexts(ctx) }, p.secrets, p.agents, p.caches, p.outputs, p.files,
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func (p packer) value(flag string) string { return p.cmd.Flags().Lookup(flag).Value.String() }

// values are those of a flag that may be given several times.
func (p packer) values(flag string) []string {
	all, err := p.cmd.Flags().GetStringArray(flag)
	if err != nil || len(all) == 0 {
		return nil // one of another form has no files
	}
	return all
}

// each gives the values of a flag others, if there are any.
func (p packer) each(flag string, other func(value string) (string, error)) error {
	all := p.values(flag)
	if len(all) == 0 {
		return nil
	}
	for n, v := range all {
		there, err := other(v)
		if err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
		all[n] = there
	}
	p.Set(flag, all...)
	return nil
}

// arguments are resolved here: names that have their values from this side's variables,
// and the time of the last commit.
func (p packer) arguments(ctx context.Context) error {
	given, err := buildflags.Assignments("--build-arg", p.values("build-arg"), os.LookupEnv)
	if err != nil {
		return err
	}
	var all []string
	for _, v := range p.values("build-arg") {
		name, _, _ := strings.Cut(v, "=")
		if value, ok := given[name]; ok {
			all = append(all, name+"="+value)
			delete(given, name)
		}
	}
	if p.values("build-arg") != nil {
		p.Set("build-arg", all...)
	}
	given, err = buildflags.Assignments("--build-arg", all, nil)
	if err != nil {
		return err
	}
	_, told := given[buildflags.EpochVariable]
	at, err := buildflags.SourceDate(ctx, p.value("source-date-epoch"), p.Args[0], given)
	if err == nil && at != nil {
		p.Set("source-date-epoch", strconv.FormatInt(at.Unix(), 10))
	}
	if name := given[buildflags.EpochVariable]; err == nil && name != "" && !told {
		p.Set("build-arg", append(all, buildflags.EpochVariable+"="+name)...)
	}
	return err
}

// context takes the directory along, without what its rules leave out.
func (p packer) context(ctx context.Context) error {
	dir, file := p.Args[0], p.value("file")
	if sent.Elsewhere(dir) {
		if file != "-" && filepath.IsAbs(file) {
			there, err := p.Tree(file, nil)
			p.Set("file", there)
			return err
		}
		return nil
	}
	c, err := sent.Open(ctx, dir, file, os.Stdin)
	if err != nil {
		return err
	}
	there, err := p.Tree(dir, c.Keep)
	if err != nil {
		return err
	}
	p.Args = []string{there}
	switch {
	case file == "-":
		p.In = bytes.NewReader(c.Text)
	case c.Dockerfile == "":
		name := p.Text(filepath.Base(file), c.Text)
		if c.Ignore != nil {
			p.Beside(name+".dockerignore", c.Ignore)
		}
		p.Set("file", name)
	case file != "":
		p.Set("file", there+"/"+c.Dockerfile)
	}
	return nil
}

// contexts takes those along that have names.
func (p packer) contexts(ctx context.Context) error {
	return p.each("build-context", func(value string) (string, error) {
		name, where, ok := strings.Cut(value, "=")
		layout, isLayout := strings.CutPrefix(where, "oci-layout://")
		switch {
		case !ok || strings.HasPrefix(where, "docker-image://") || sent.Elsewhere(where):
			return value, nil
		case isLayout:
			dir, tag := cutTag(layout)
			there, err := p.Tree(dir, nil)
			return name + "=oci-layout://" + there + tag, err
		}
		c, err := sent.Named(ctx, name, where)
		if err != nil {
			return "", err
		}
		there, err := p.Tree(where, c.Keep)
		return name + "=" + there, err
	})
}

// cutTag splits DIRECTORY[:TAG|@DIGEST].
func cutTag(layout string) (dir, tag string) {
	if _, err := os.Stat(layout); err == nil {
		return layout, ""
	}
	if n := strings.LastIndexAny(layout, "@"); n > 0 {
		return layout[:n], layout[n:]
	}
	if n := strings.LastIndex(layout, ":"); n > strings.LastIndex(layout, "/") {
		return layout[:n], layout[n:]
	}
	return layout, ""
}

func (p packer) secrets() error {
	return p.each("secret", func(value string) (string, error) {
		read, err := buildflags.Secrets([]string{value})
		if err != nil {
			return "", err
		}
		for id, secret := range read {
			value = "id=" + id + ",src=" + p.Text("secret", secret)
		}
		return value, nil
	})
}

// agents has those of this side answer there. Keys stay here: no machine but this one
// is to have them.
func (p packer) agents() error {
	return p.each("ssh", func(value string) (string, error) {
		id, socket, given := strings.Cut(value, "=")
		if !given {
			if socket = os.Getenv("SSH_AUTH_SOCK"); socket == "" {
				return "", errdefs.Errorf(errdefs.ErrInvalid, "%s: no agent runs (SSH_AUTH_SOCK is not set)", value)
			}
		}
		info, err := os.Stat(socket)
		if err != nil || info.Mode().Type() != os.ModeSocket {
			return "", errdefs.Errorf(errdefs.ErrUnsupported,
				"%s is no agent's socket, and keys do not leave this machine: give it to an agent with ssh-add, "+
					"and its socket here", socket)
		}
		return id + "=" + p.Agent(socket), nil
	})
}

// caches takes along those in directories, and brings back what is added.
func (p packer) caches() error {
	err := p.each("cache-from", func(value string) (string, error) {
		return rewrite(value, "local", "src", func(dir string) (string, error) { return p.Tree(dir, nil) })
	})
	if err != nil {
		return err
	}
	return p.each("cache-to", func(value string) (string, error) {
		return rewrite(value, "local", "dest", func(dir string) (string, error) {
			return p.Directory(dir, true), nil
		})
	})
}

// rewrite gives the key of one type another value.
func rewrite(text, kind, key string, other func(string) (string, error)) (string, error) {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil || kind != "" && !slices.Contains(fields, "type="+kind) {
		return text, nil //nolint:nilerr // it is judged there
	}
	for n, field := range fields {
		if value, ok := strings.CutPrefix(field, key+"="); ok {
			there, err := other(value)
			if err != nil {
				return "", err
			}
			fields[n] = key + "=" + there
		}
	}
	var out strings.Builder
	w := csv.NewWriter(&out)
	err = w.Write(fields)
	w.Flush()
	return strings.TrimSuffix(out.String(), "\n"), err
}

// outputs come back: files and directories. What is wrong with one is said there.
func (p packer) outputs() error {
	return p.each("output", func(value string) (string, error) {
		fields, err := csv.NewReader(strings.NewReader(value)).Read()
		if err != nil || value == "-" {
			return value, nil //nolint:nilerr // it is judged there
		}
		if len(fields) == 1 && !strings.HasPrefix(value, "type=") {
			fields = []string{"type=local", "dest=" + value}
			value = `type=local,"dest=` + strings.ReplaceAll(fields[1][len("dest="):], `"`, `""`) + `"`
		}
		directory := slices.Contains(fields, "type=local") || slices.Contains(fields, "tar=false")
		return rewrite(value, "", "dest", func(dest string) (string, error) {
			switch {
			case dest == "-":
				return dest, nil
			case directory:
				return p.Directory(dest, false), nil
			}
			return p.File(filepath.Base(dest), func(r io.Reader) error {
				return app.WriteFile(dest, func(w io.Writer) error {
					_, err := io.Copy(w, r)
					return err
				})
			}), nil
		})
	})
}

// files are those that say what was built, and the lock, which is read, too.
func (p packer) files() error {
	for _, flag := range []string{"iidfile", "metadata-file", "lock"} {
		name := p.value(flag)
		if name == "" {
			continue
		}
		there := p.File(filepath.Base(name), func(r io.Reader) error {
			text, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			return app.WriteText(name, text)
		})
		if flag == "lock" {
			text, err := os.ReadFile(name)
			if err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("--lock: %w", err)
			}
			if err == nil {
				p.InDirectory(there, text)
			}
		}
		p.Set(flag, there)
	}
	return nil
}

var _ remote.Packer = Pack
