package plan

import (
	"slices"
	"strconv"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/layers"
)

// Op is what a vertex does.
type Op interface {
	// kind names the op in keys and dumps.
	kind() string
}

// Image is what an exporter writes: a root filesystem, a config and a history.
type Image struct {
	// RootFS is the vertex whose layers the image has.
	RootFS   ID
	Platform ocispec.Platform
	Config   Config
	Author   string
	History  []History
	// Base is the image of the last FROM, zero for scratch.
	Base Base
}

// History is one line of an image's history.
type History struct {
	ocispec.History
	// Vertex is the step that may have made a layer, None for one that only
	// changed the config. A Vertex without layer becomes an empty_layer line.
	Vertex ID
	// Base says that the line came with the base image and stays as it is.
	Base bool
}

// Base is an image to build on. Only its manifest and config need to be local.
type Base struct {
	// Name is the canonical reference, Manifest what it resolved to.
	Name     string
	Manifest ocispec.Descriptor
	Config   ocispec.Image
	// RawConfig are the bytes that Config was decoded from; fields that the
	// OCI struct lacks (Healthcheck, OnBuild, Shell) are read from them.
	RawConfig []byte
	Layers    []layers.Layer
}

func (*Base) kind() string { return "base" }

// Run executes a command.
type Run struct {
	Args []string `json:",omitempty"`
	Env  []string `json:",omitempty"`
	Cwd  string   `json:",omitempty"`
	User string   `json:",omitempty"`
	// Network is "default", "none" or "host"; Insecure asks for --security=insecure.
	Network  string     `json:",omitempty"`
	Insecure bool       `json:",omitempty"`
	Mounts   []RunMount `json:",omitempty"`
	// ProxyEnv are predefined proxy arguments: given to the command, and part
	// of no key and no history.
	ProxyEnv []string `json:",omitempty"`
	// Platform is that of the programs in the root filesystem. What they do
	// depends on what they are, so it is part of no key.
	Platform ocispec.Platform `json:"-"`
	// Hosts are lines for /etc/hosts.
	Hosts []Host `json:",omitempty"`
	// Devices are those of --device.
	Devices []Device `json:",omitempty"`
}

// Device is a device, or a kind of them, as the Container Device Interface names it:
// VENDOR/CLASS[=NAME]. One that is not Required may not be there.
type Device struct {
	Name     string
	Required bool `json:",omitempty"`
}

// Host is a name that a command can look up, and its address.
type Host struct{ Name, IP string }

func (*Run) kind() string { return "run" }

// RunMount is one --mount of a RUN.
type RunMount struct {
	Type     string `json:",omitempty"` // bind, cache, tmpfs, secret, or file: an inline document
	Target   string `json:",omitempty"`
	Source   string `json:",omitempty"` // path in the bind's or cache's origin
	From     Origin
	Data     string `json:",omitempty"` // contents of a file
	ReadOnly bool   `json:",omitempty"`
	// ID and Sharing (shared, private, locked) are of a cache, ID of a secret.
	ID      string `json:",omitempty"`
	Sharing string `json:",omitempty"`
	// Size limits a tmpfs, in bytes; 0 is no limit.
	Size int64 `json:",omitempty"`
	// Mode, UID and GID are of a new cache directory or a secret.
	Mode uint32 `json:",omitempty"`
	UID  uint32 `json:",omitempty"`
	GID  uint32 `json:",omitempty"`
	// Required makes a missing secret an error; Env gives it as a variable.
	Required bool   `json:",omitempty"`
	Env      string `json:",omitempty"`
}

// Origin says where a path is read from: an index into the vertex's Inputs,
// FromContext or FromNothing.
type Origin int

// The origins that are not other vertices.
const (
	FromContext Origin = -1 // the build context
	FromNothing Origin = -2 // an empty directory
)

// Copy puts files into a root filesystem: COPY and ADD. Which files it takes and
// where they go are two things: what two copies select may be equal although they
// name it differently.
type Copy struct {
	Selection
	Placement
}

func (*Copy) kind() string { return "copy" }

// MayUnpack says that a source could be an archive, whose layer is made on top of
// its parent.
func (c *Copy) MayUnpack() bool {
	return slices.ContainsFunc(c.Sources, func(src Source) bool { return src.Unpack })
}

// Immutable says that a copy reads only from other vertices, which are named by
// what is in them, from itself, from commits, and from URLs whose checksum is given.
func (c *Copy) Immutable() bool {
	for _, src := range c.Sources {
		if src.From == FromContext || src.URL != "" && src.Checksum == "" {
			return false
		}
	}
	return true
}

// Selection says which files a Copy takes.
type Selection struct {
	Sources []Source `json:",omitempty"`
	// Parents keeps the sources' directories, from a "/./" on.
	Parents bool     `json:",omitempty"`
	Exclude []string `json:",omitempty"`
}

// Placement says where files go, whose they become, and what they may.
type Placement struct {
	// Dest is absolute; DestDir says that it must be a directory.
	Dest    string `json:",omitempty"`
	DestDir bool   `json:",omitempty"`
	// Chown is "user", "user:group" or "", resolved in the root filesystem
	// that is copied into. Chmod is octal, symbolic or "".
	Chown string `json:",omitempty"`
	Chmod string `json:",omitempty"`
	// Link copies as if the root filesystem were empty, but for the directories
	// on the way.
	Link bool `json:",omitempty"`
}

func (*Placement) kind() string { return "placement" }

// Canonical is the same placement in the words that all of its meaning share: a number is
// written in one way, and a user alone has the group of its number.
func (p Placement) Canonical() Placement {
	if m, err := ParseMode(p.Chmod); err == nil && p.Chmod != "" && m.Absolute() {
		p.Chmod = strconv.FormatUint(uint64(m.mode), 8)
	}
	if n, err := strconv.ParseUint(p.Chown, 10, 32); err == nil {
		id := strconv.FormatUint(n, 10)
		p.Chown = id + ":" + id
	}
	return p
}

// Source is one source of a Copy: exactly one of Path, URL, Git and Inline.
type Source struct {
	From Origin
	// Path is a path or pattern below From, in slashes, cleaned, without a
	// leading slash.
	Path string `json:",omitempty"`
	// Context is the name of the context that FromContext means; "" is the one
	// without a name.
	Context string `json:",omitempty"`
	// Git is fetched; its files are copied.
	Git *Git `json:",omitempty"`
	// URL is fetched; Checksum is "" or what the bytes must have.
	URL      string `json:",omitempty"`
	Checksum string `json:",omitempty"`
	// Name is the file name of a URL or an inline document.
	Name   string  `json:",omitempty"`
	Inline *string `json:",omitempty"`
	// Unpack extracts a tar archive into Dest instead of copying it.
	Unpack bool `json:",omitempty"`
}

// Workdir makes sure that a directory exists.
type Workdir struct {
	Path string `json:",omitempty"`
	User string `json:",omitempty"`
}

func (*Workdir) kind() string { return "workdir" }
