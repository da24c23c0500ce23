package plan

import (
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
	Args []string
	// Stdin is the body of a heredoc that an interpreter reads.
	Env  []string
	Cwd  string
	User string
	// Network is "default", "none" or "host"; Insecure asks for --security=insecure.
	Network  string
	Insecure bool
	Mounts   []RunMount
	// ProxyEnv are predefined proxy arguments: given to the command, and part
	// of no key and no history.
	ProxyEnv []string
}

func (*Run) kind() string { return "run" }

// RunMount is one --mount of a RUN.
type RunMount struct {
	Type     string // bind, cache, tmpfs or secret
	Target   string
	Source   string // path in the bind's or cache's origin
	From     Origin
	ReadOnly bool
	// ID and Sharing (shared, private, locked) are of a cache, ID of a secret.
	ID      string
	Sharing string
	// Size limits a tmpfs, in bytes; 0 is no limit.
	Size int64
	// Mode, UID and GID are of a new cache directory or a secret.
	Mode     uint32
	UID, GID uint32
	// Required makes a missing secret an error; Env gives it as a variable.
	Required bool
	Env      string
}

// Origin says where a path is read from.
type Origin struct {
	// Input is an index into the vertex's Inputs, or FromContext.
	Input int
}

// FromContext is the Input of a path in the build context.
const FromContext = -1

// Copy puts files into a root filesystem: COPY and ADD.
type Copy struct {
	Sources []Source
	// Dest is absolute; DestDir says that it must be a directory.
	Dest    string
	DestDir bool
	// Chown is "user", "user:group" or "", resolved in the root filesystem
	// that is copied into. Chmod is octal, symbolic or "".
	Chown string
	Chmod string
	// Link copies as if the root filesystem were empty.
	Link bool
	// Parents keeps the sources' directories, from a "/./" on.
	Parents bool
	Exclude []string
}

func (*Copy) kind() string { return "copy" }

// Source is one source of a Copy: exactly one of Path, URL and Inline.
type Source struct {
	From Origin
	// Path is a path or pattern below From, in slashes, cleaned, without a
	// leading slash.
	Path string
	// URL is fetched; Checksum is "" or what the bytes must have.
	URL      string
	Checksum string
	// Name is the file name of a URL or an inline document.
	Name   string
	Inline *string
	// Unpack extracts a tar archive into Dest instead of copying it.
	Unpack bool
}

// Workdir makes sure that a directory exists.
type Workdir struct {
	Path string
	User string
}

func (*Workdir) kind() string { return "workdir" }
