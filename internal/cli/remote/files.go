package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/runflags"
)

// trip is a command whose file is on this side: what is executed there has it on its
// standard input or output.
type trip struct {
	words []string
	in    io.ReadCloser
	out   string
}

func (t *trip) close() {
	if t.in != nil {
		t.in.Close()
	}
}

// travelling is the trip of a command, or nil if it has no file of this side.
func (i invocation) travelling() (*trip, error) {
	switch i.cmd.Name() {
	case "load":
		return i.reading("input", i.flag("input"), i.args)
	case "import":
		if name := i.args[0]; name != "-" && !strings.Contains(name, "://") {
			return i.reading("", name, append([]string{"-"}, i.args[1:]...))
		}
	case "save", "export":
		if name := i.flag("output"); name != "" {
			return &trip{words: i.words(without("output"), i.args), out: name}, nil
		}
	}
	return nil, nil
}

// reading is the trip of a file to the standard input there. The flag that named it
// stays behind.
func (i invocation) reading(flag, name string, args []string) (*trip, error) {
	if name == "" || name == "-" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &trip{words: i.words(without(flag), args), in: f}, nil
}

// flag is the value of a flag, "" if the command has none of that name.
func (i invocation) flag(name string) string {
	if f := i.cmd.Flags().Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// list are the values of a flag that may be given several times.
func (i invocation) list(name string) []string {
	f := i.cmd.Flags().Lookup(name)
	if f == nil {
		return nil
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return nil
}

// words are the command line again, with other values of some flags, which are left
// out when they have none, and with other arguments.
func (i invocation) words(changed map[string][]string, args []string) []string {
	words := strings.Fields(i.cmd.CommandPath())[1:]
	add := func(name string, values []string) {
		for _, v := range values {
			words = append(words, "--"+name+"="+v)
		}
	}
	i.cmd.Flags().Visit(func(f *pflag.Flag) {
		if _, ok := changed[f.Name]; ok {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			add(f.Name, list.GetSlice())
			return
		}
		add(f.Name, []string{f.Value.String()})
	})
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		add(name, changed[name])
	}
	return append(append(words, "--"), args...)
}

func without(flag string) map[string][]string { return map[string][]string{flag: nil} }

// luggage are the files of this side that a command reads and writes.
func (i invocation) luggage(ctx context.Context, a *app.App, pack Packer) (*Luggage, error) {
	l := &Luggage{Args: i.args}
	var err error
	switch name := i.cmd.Name(); {
	case name == "cp":
		err = i.copies(a, l)
	case name == "build" && pack != nil:
		err = pack(ctx, i.cmd, l)
	case i.cmd.Flags().Lookup("env") != nil:
		err = i.settings(l)
	}
	return l, err
}

// settings are the files that describe a container.
func (i invocation) settings(l *Luggage) error {
	if err := i.environment(l); err != nil {
		return err
	}
	var labels, security []string
	for _, name := range i.list("label-file") {
		there, err := l.Tree(name, nil)
		if err != nil {
			return fmt.Errorf("--label-file: %w", err)
		}
		labels = append(labels, there)
	}
	if labels != nil {
		l.Set("label-file", labels...)
	}
	profiles := false
	for _, opt := range i.list("security-opt") {
		name, ok := strings.CutPrefix(opt, "seccomp")
		if ok && name != "" && !slices.Contains([]string{"", "unconfined", "builtin"}, name[1:]) {
			there, err := l.Tree(name[1:], nil)
			if err != nil {
				return fmt.Errorf("--security-opt %s: %w", opt, err)
			}
			opt, profiles = "seccomp="+there, true
		}
		security = append(security, opt)
	}
	if profiles {
		l.Set("security-opt", security...)
	}
	return i.cid(l)
}

// environment resolves variables here: files of them, and names whose values are this
// side's. They travel in a file, because every user there can read a command line.
func (i invocation) environment(l *Luggage) error {
	files, flags := i.list("env-file"), i.list("env")
	if len(files) == 0 && !slices.ContainsFunc(flags, func(kv string) bool { return !strings.Contains(kv, "=") }) {
		return nil
	}
	all, err := runflags.Environment(files, flags)
	if err != nil {
		return err
	}
	values := map[string]string{} // the last of a name counts
	for _, kv := range all {
		key, _, _ := strings.Cut(kv, "=")
		values[key] = kv
	}
	var lines strings.Builder
	var words []string
	for _, kv := range all {
		key, _, given := strings.Cut(kv, "=")
		switch {
		case values[key] != kv:
			continue
		case !given, strings.ContainsAny(kv, "\n\r"), strings.ContainsAny(key, " \t#\ufeff"):
			words = append(words, kv) // no line of a file can say it
		default:
			lines.WriteString(kv + "\n")
		}
		delete(values, key)
	}
	l.Set("env", words...)
	l.Set("env-file", l.Text("env", []byte(lines.String())))
	return nil
}

// cid brings back the file with the container's id, from a command that ends when the
// container has begun.
func (i invocation) cid(l *Luggage) error {
	name := i.flag("cidfile")
	if name == "" {
		return nil
	}
	if _, err := os.Lstat(name); err == nil {
		return errdefs.Errorf(errdefs.ErrExists, "--cidfile %s: the file exists; another container may still use it", name)
	}
	l.Set("cidfile", l.File("id", func(r io.Reader) error {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("--cidfile: %w", err)
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	}))
	return nil
}

// refuse says of what a command cannot have there.
func (i invocation) refuse(e Endpoint) error {
	if i.flag("cidfile") != "" && i.cmd.Name() == "run" && i.flag("detach") != "true" {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"--cidfile comes back from %s when the command has ended: give it with --detach, or to create", e)
	}
	for _, v := range i.list("volume") {
		if strings.HasPrefix(v, ".") {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"--volume %s: folders are those of %s: give the whole path there", v, e)
		}
	}
	switch i.cmd.Name() {
	case "bake":
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"bake reads files of this machine, of which only it knows which, and they do not go to %s: execute it there, "+
				"or use docker buildx bake with DOCKER_HOST=%s", e, e)
	case "verify", "kaniko":
		if i.namesDirectory() {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"%s reads a context of this machine, which goes to %s with build alone: give one of git or HTTP", i.cmd.Name(), e)
		}
	case "copy":
		for _, arg := range i.args {
			if dir, ok := strings.CutPrefix(arg, "oci:"); ok && !filepath.IsAbs(dir) {
				return errdefs.Errorf(errdefs.ErrUnsupported,
					"%s: folders are those of %s: give the whole path there", arg, e)
			}
		}
	}
	return nil
}

// namesDirectory reports whether a context is a directory: the argument of verify, or
// the flag of kaniko.
func (i invocation) namesDirectory() bool {
	where := i.flag("context")
	if i.cmd.Name() == "verify" {
		if len(i.args) < 2 {
			return false
		}
		where = i.args[1]
	}
	return strings.HasPrefix(where, "dir://") || !strings.Contains(where, "://") && !strings.HasPrefix(where, "git@")
}
