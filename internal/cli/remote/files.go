package remote

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"cove/errdefs"
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
			return &trip{words: i.words("output", i.args), out: name}, nil
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
	return &trip{words: i.words(flag, args), in: f}, nil
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

// words are the command line again, without one flag and with other arguments.
func (i invocation) words(without string, args []string) []string {
	words := strings.Fields(i.cmd.CommandPath())[1:]
	i.cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name == without {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			words = append(words, "--"+f.Name+"="+v)
		}
	})
	return append(append(words, "--"), args...)
}

// ownFiles are flags that name files of this side, which do not travel.
var ownFiles = []string{"env-file", "label-file", "cidfile", "iidfile", "metadata-file"}

// refuse says of what a command cannot have there.
func (i invocation) refuse(e Endpoint) error {
	for _, name := range ownFiles {
		if f := i.cmd.Flags().Lookup(name); f != nil && f.Changed {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"--%s names a file of this machine, which does not go to %s: give what is in it by other flags, "+
					"or put it there and use ssh", name, e)
		}
	}
	for _, v := range i.list("volume") {
		if strings.HasPrefix(v, ".") {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"--volume %s: folders are those of %s: give the whole path there", v, e)
		}
	}
	switch i.cmd.Name() {
	case "cp":
		return i.refuseCopy(e)
	case "build":
		return i.refuseBuild(e)
	case "bake", "compose":
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"%s reads files of this machine, which do not go to %s: execute it there, or use docker's client "+
				"with DOCKER_HOST=%s", i.cmd.Name(), e, e)
	}
	return nil
}

// refuseCopy lets archives through, which go by standard input and output.
func (i invocation) refuseCopy(e Endpoint) error {
	for _, arg := range i.args {
		container, _, named := strings.Cut(arg, ":")
		if arg != "-" && (!named || strings.HasPrefix(arg, ".") || filepath.IsAbs(container)) {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"%s is of this machine, and only archives go to %s: use tar with cp - CONTAINER:DIR, "+
					"or with cp CONTAINER:PATH -", arg, e)
		}
	}
	return nil
}

// refuseBuild lets contexts through that come by standard input, or from elsewhere.
func (i invocation) refuseBuild(e Endpoint) error {
	if len(i.args) == 0 || i.args[0] == "-" {
		return nil
	}
	if strings.Contains(i.args[0], "://") || strings.HasPrefix(i.args[0], "git@") {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnsupported,
		"the context %s is of this machine, and only archives go to %s: use tar -c . | cove -H %s build -",
		i.args[0], e, e)
}
