package copier

import (
	"archive/tar"
	"path"
	"strings"

	"cove/builder/buildctx"
	"cove/errdefs"
)

// placer finds out where names end up in the root filesystem: it follows the
// symbolic links of directories, there and in the layer that is being made, and
// never leaves the root.
type placer struct {
	dest *buildctx.Tree // nil is an empty root
	made map[string]thing
	dirs map[string]string // resolved directories
}

// thing is what is at a path: a tar type, 0 for nothing.
type thing struct {
	typ  byte
	link string
}

func newPlacer(dest *buildctx.Tree) *placer {
	return &placer{dest: dest, made: map[string]thing{}, dirs: map[string]string{}}
}

// look says what is at a path without links in its directories.
func (p *placer) look(real string) (thing, error) {
	if t, ok := p.made[real]; ok {
		return t, nil
	}
	if real == "" {
		return thing{typ: tar.TypeDir}, nil
	}
	if p.dest == nil {
		return thing{}, nil
	}
	e, err := p.dest.Lstat(real)
	if e == nil || err != nil {
		return thing{}, err
	}
	return thing{typ: typeflag(e), link: e.Link}, nil
}

// record notes what the layer puts at a path.
func (p *placer) record(real string, t thing) {
	if t.typ == tar.TypeSymlink {
		clear(p.dirs) // what was resolved may lead elsewhere now
	}
	p.made[real] = t
}

// maxLinks is how many symbolic links one resolution follows, as in the kernel.
const maxLinks = 40

// resolve follows every link of a path, the last component's too. What is not
// there is taken as it is written.
func (p *placer) resolve(name string) (string, error) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if real, ok := p.dirs[name]; ok {
		return real, nil
	}
	real, todo := "", strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		switch next {
		case "", ".":
			continue
		case "..":
			real = parent(real)
			continue
		}
		at := path.Join(real, next)
		t, err := p.look(at)
		if err != nil {
			return "", err
		}
		if t.typ != tar.TypeSymlink {
			real = at
			continue
		}
		if links++; links > maxLinks {
			return "", errdefs.Errorf(errdefs.ErrInvalid, "/%s: more than %d symbolic links", name, maxLinks)
		}
		if path.IsAbs(t.link) {
			real = ""
		}
		todo = append(strings.Split(t.link, "/"), todo...)
	}
	p.dirs[name] = real
	return real, nil
}

// parent is the directory of a relative path, "" for the root.
func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

// place resolves the directories of name, not its last component, and says
// what is there.
func (p *placer) place(name string) (real string, t thing, err error) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "", thing{typ: tar.TypeDir}, nil
	}
	dir, err := p.resolve(parent(name))
	if err != nil {
		return "", thing{}, err
	}
	real = path.Join(dir, path.Base(name))
	t, err = p.look(real)
	return real, t, err
}

// missingDirs lists the directories of the path real, itself included, that
// are not there, topmost first. A file in the way is an error.
func (p *placer) missingDirs(real string) ([]string, error) {
	var out []string
	for i := 0; i <= len(real); i++ {
		if i < len(real) && real[i] != '/' {
			continue
		}
		dir := real[:i]
		t, err := p.look(dir)
		if err != nil {
			return nil, err
		}
		switch t.typ {
		case tar.TypeDir:
		case 0:
			if dir != "" {
				out = append(out, dir)
			}
		default:
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "/%s is a file and not a directory", dir)
		}
	}
	return out, nil
}
