// Package runspec turns an image's config and a user's options into an OCI
// runtime spec, with docker's defaults and merge rules.
//
// It is pure: what depends on the machine (the account a USER names, the
// directory of a volume, the files bound over /etc) is handed in resolved, so
// that golden files can say what `run` with some flags asks of the runner.
package runspec

import (
	"path"

	"cove/layers/mount"
	"cove/network"
	"cove/network/publish"
	"cove/runner/record"
	"cove/sandbox/plan"
)

// These names of what is kept with a container are repeated here, so that whoever
// fills in Options imports this package alone.
type (
	// Security is what the container may do.
	Security = record.Security
	// Resources are the limits of what it uses.
	Resources = record.Resources
	// DeviceRate is a limit for one block device.
	DeviceRate = record.DeviceRate
	// Shared are the namespaces that are not its own, and Sharing whose one of them
	// is: "host", "private", "container:NAME".
	Shared = record.Shared
	// Sharing is described at Shared.
	Sharing = record.Sharing
	// Attached are the streams that whoever makes it attaches to.
	Attached = record.Attached
)

// Options is what a user asks of one container beyond what its image says.
// What of it is kept with the container is in package record.
type Options struct {
	// Image is the name as it was typed.
	Image string
	// Command replaces the image's Cmd when it is not empty.
	Command []string
	// Entrypoint replaces the image's, and drops its Cmd, when it is not nil;
	// empty means none.
	Entrypoint []string
	// Env are KEY=VALUE; a bare KEY removes what the image sets.
	Env []string
	// User is as in USER: name, uid, name:group, uid:gid.
	User     string
	Workdir  string
	Hostname string
	// Domainname is the NIS domain, which its name in /etc/hosts ends in.
	Domainname string
	TTY        bool
	// ConsoleSize are the rows and columns that its terminal has at first; zero is unknown.
	ConsoleSize [2]uint
	Stdin       bool
	// StdinStays leaves Stdin open when the input of who is attached ends.
	StdinStays bool
	Attached   Attached
	ReadOnly   bool

	Labels map[string]string

	Volumes []Volume
	// VolumesFrom are containers whose mounts it gets: NAME[:ro|rw].
	VolumesFrom []string

	// Network is "bridge" (or ""), "none", "host", "container:ID" or the name of
	// the first of Networks, those that the container is on.
	Network  string
	Networks []network.Attachment
	Ports    []publish.Port
	// Expose are ports it listens on, as 80/tcp, beside its image's; PublishAll
	// publishes all of them, each at a free port of the host.
	Expose     []string
	PublishAll bool
	// Links are containers that it finds by names of its own; they are named by id.
	Links                      []network.Link
	DNS, DNSSearch, DNSOptions []string
	AddHosts                   []Host

	Security record.Security
	// MaskedPaths and ReadonlyPaths take the place of docker's, which nil stands for.
	MaskedPaths, ReadonlyPaths *[]string

	Resources record.Resources
	Tmpfs     []record.Tmpfs

	// Shared are the namespaces that are not the container's own; other
	// containers are named in them by id.
	Shared      record.Shared
	Devices     []record.Device
	DeviceRules []string
	// CDI are devices by their names in the Container Device Interface.
	CDI []string
	// Groups are supplementary groups, by name or number.
	Groups []string
	// Annotations are those of its runtime spec. [FilesAllowed] is one with a meaning.
	Annotations map[string]string
	// CgroupParent is the control group above the container's.
	CgroupParent string
	// Init has an init of ours run the command.
	Init bool

	// StopSignal replaces the image's; StopTimeout is in seconds, nil means
	// the default of 10.
	StopSignal  string
	StopTimeout *int
}

// FilesAllowed is the annotation that names the files which a container may open.
const FilesAllowed = plan.FilesAllowed

// Volume is what was asked to be mounted: a path of the host, a named volume, or,
// with no Source, an anonymous one.
type Volume struct {
	Source      string
	Target      string
	ReadOnly    bool
	Propagation string
	// Mode is the options as they were typed behind SOURCE:TARGET, for who is shown them.
	Mode string
	// NoCopy leaves a new named volume empty instead of filling it with what
	// the image has at Target.
	NoCopy bool
	// NonRecursive leaves out what is mounted below a path of the host;
	// WritableBelow leaves that writable where ReadOnly is asked for.
	NonRecursive, WritableBelow bool
	// MapOwners shows a path of the host to a user namespace with the owners that it
	// has; a volume always is.
	MapOwners bool
	// Image says that Source is the name of an image, whose files are mounted.
	Image bool
	// Subpath is the directory of a volume or an image that is mounted; "" is all of it.
	Subpath string
	// Overlay has what the container writes there kept apart from the source, and
	// thrown away when it ends; in Upper and Work, two directories of the host on one
	// filesystem, it stays.
	Overlay     bool
	Upper, Work string
	// Owners are shown instead of those on disk.
	Owners Owners
	// Labels are those of a volume that is made, Options those of its driver.
	Labels  map[string]string
	Options map[string]string
	// Mount says that it was asked for in keys and values: then a path of the host
	// must be there, and is not made.
	Mount bool
}

// Named reports whether Source is the name of a volume.
func (v Volume) Named() bool { return v.Source != "" && !v.Image && !path.IsAbs(v.Source) }

// Owners says which owners the files of a mount are shown with, and get when the
// container makes them.
type Owners struct {
	// UID and GID are those of the container that what belongs to the owner, and the
	// group, of the mount's top directory is shown with; nil leaves it.
	UID, GID *uint32
	// Host maps ids on disk (Inside) to ids of the host, Container to those that the
	// container sees.
	Host, Container mount.IDMap
}

// IsZero reports whether the owners on disk are shown.
func (o Owners) IsZero() bool {
	return o.UID == nil && o.GID == nil && o.Host.IsZero() && o.Container.IsZero()
}

// Host is a line of /etc/hosts.
type Host struct {
	Name string
	IP   string
}

// Bind is a directory or file of the host, already resolved, seen at Target.
type Bind struct {
	Source      string
	Target      string
	ReadOnly    bool
	Propagation string // "" is rprivate
	// NonRecursive and WritableBelow are Volume's.
	NonRecursive, WritableBelow bool
	// MapOwners shows it to a user namespace with the owners that it has; Owners says
	// with which others.
	MapOwners bool
	Owners    mount.IDMap
	// Stack is what is mounted instead of Source, if it is no directory.
	Stack *mount.Mount
}

// User is an account resolved in the container's own /etc/passwd.
type User struct {
	UID, GID uint32
	Groups   []uint32
	Home     string
}

// Facts is what the machine adds to image and options.
type Facts struct {
	ID   string // the container's
	User User
	// Binds come after the default mounts; a bind on the target of a default
	// mount replaces it.
	Binds []Bind
	// Devices are those of the host that the container has; of a privileged one
	// all that the host has.
	Devices []Device
	// Blocks are the block devices with limits of their own, by path.
	Blocks map[string]Device
	// IDMap is that of its user namespace; the zero one is the host's.
	IDMap mount.IDMap
	// Groups is how many groups the engine's own user namespace has; zero is all.
	Groups uint32
	// AppArmor is the profile that its processes are confined by; "" is none.
	AppArmor string
	// HostCaps are the capabilities this process may hand on; nil is all.
	HostCaps []string
}

// Device is a device of the host, as the container sees it.
type Device struct {
	Path         string // in the container
	Type         string // "c" or "b"
	Major, Minor int64
	Mode         uint32
	UID, GID     uint32
	// Access is what may be done with it, of "rwm"; "" leaves the rules alone.
	Access string
}
