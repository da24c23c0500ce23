package record

import (
	"slices"
	"strconv"

	"cove/layers/mount"
)

// Asked is what was asked of a container in terms that its runtime spec has
// lost: inspect shows it, and an image committed of the container starts from
// it. Whoever starts the container follows the spec.
type Asked struct {
	// Image is the config of the image with what the user asked for over it.
	Image ImageConfig `json:"image,omitzero"`
	// ReadOnly makes the root filesystem read-only.
	ReadOnly  bool      `json:"readOnly,omitempty"`
	Security  Security  `json:"security,omitzero"`
	Resources Resources `json:"resources,omitzero"`
	Tmpfs     []Tmpfs   `json:"tmpfs,omitempty"`
	// StopTimeout is in seconds; nil means the default of 10.
	StopTimeout *int `json:"stopTimeout,omitempty"`
	// Devices are of the host; DeviceRules are further rules over devices, as
	// "c 13:* rw".
	Devices     []Device `json:"devices,omitempty"`
	DeviceRules []string `json:"deviceRules,omitempty"`
	// CDI are devices by their names in the Container Device Interface.
	CDI         []string `json:"cdi,omitempty"`
	VolumesFrom []string `json:"volumesFrom,omitempty"`
	// PublishAll published every port that the image exposes.
	PublishAll bool `json:"publishAll,omitempty"`
	// Groups are supplementary ones of its user, by name or number.
	Groups       []string          `json:"groups,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	CgroupParent string            `json:"cgroupParent,omitempty"`
	Attached     Attached          `json:"attached,omitzero"`
	// NoHealth says that the image's check of its health is not to be made.
	NoHealth bool `json:"noHealth,omitempty"`
}

// Attached are the streams that whoever made a container said to attach to.
type Attached struct {
	Stdin  bool `json:"stdin,omitempty"`
	Stdout bool `json:"stdout,omitempty"`
	Stderr bool `json:"stderr,omitempty"`
}

// Device is a device of the host that the container has, under a path of its own.
type Device struct {
	Source string `json:"source"`
	Target string `json:"target"`
	Access string `json:"access"` // of "rwm"
}

// DeviceRate is a limit, or a weight, of a container at one block device.
type DeviceRate struct {
	Path string `json:"path"`
	// Rate is bytes or operations per second, or the weight.
	Rate uint64 `json:"rate"`
}

// ImageConfig has the fields of the OCI image specification's ImageConfig, so
// that one converts to the other. It is defined again because the monitor of
// each container, which reads records too, links nothing about images.
type ImageConfig struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	ArgsEscaped  bool                `json:"ArgsEscaped,omitempty"`
}

// Mounted is a volume or a path of the host that a container has.
type Mounted struct {
	Type MountType `json:"type"`
	// Name is the volume's, "" for all else.
	Name string `json:"name,omitempty"`
	// Source is the path on the host, Target that in the container.
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Propagation is as in mount(8); "" is rprivate.
	Propagation string `json:"propagation,omitempty"`
	// Mode is the options as they were typed behind SOURCE:TARGET.
	Mode string `json:"mode,omitempty"`
	// NoCopy left a new volume empty, without what the image has at Target.
	NoCopy bool `json:"noCopy,omitempty"`
	// Subpath is the directory of the volume or image that is mounted; "" is all of it.
	Subpath string `json:"subpath,omitempty"`
	// NonRecursive left out what is mounted below a path of the host, and
	// WritableBelow left that writable.
	NonRecursive  bool `json:"nonRecursive,omitempty"`
	WritableBelow bool `json:"writableBelow,omitempty"`
	// MapOwners shows a user namespace the owners that are on disk, Owners says with
	// which others they are shown.
	MapOwners bool        `json:"mapOwners,omitempty"`
	Owners    mount.IDMap `json:"owners,omitzero"`
	// Image is the name of the image that is mounted, ImageID its id, and Snapshot the
	// key of its files.
	Image    string `json:"image,omitempty"`
	ImageID  string `json:"imageID,omitempty"`
	Snapshot string `json:"snapshot,omitempty"`
	// Stack is what is mounted when it is not Source alone: an image's layers, or a
	// directory below one that takes what the container writes. Fresh has that one
	// emptied before each start and after each end.
	Stack *mount.Mount `json:"stack,omitempty"`
	Fresh bool         `json:"fresh,omitempty"`
	// Mount says that it was asked for in keys and values.
	Mount bool `json:"mount,omitempty"`
	// Anonymous is a volume that was made without a name, and is removed with the last
	// container that has it.
	Anonymous bool `json:"anonymous,omitempty"`
	// From says that another container has it, from which this one took it.
	From bool `json:"from,omitempty"`
}

// MountType is what is mounted.
type MountType string

// The types of mounts, in docker's words.
const (
	MountBind   MountType = "bind"
	MountVolume MountType = "volume"
	MountImage  MountType = "image"
)

// Images are the ids of the images that a container was made from, and mounts.
func Images(c Config) []string {
	all := []string{c.ImageID}
	for _, m := range c.Mounts {
		if m.Type == MountImage {
			all = append(all, m.ImageID)
		}
	}
	return all
}

// Volumes are the names of the volumes among mounts.
func Volumes(mounts []Mounted) []string {
	return named(mounts, func(m Mounted) bool { return m.Name != "" })
}

// Anonymous are the names of the volumes among mounts that are removed with the
// container, unless another has them.
func Anonymous(mounts []Mounted) []string {
	return named(mounts, func(m Mounted) bool { return m.Anonymous })
}

// Made are those of Anonymous that were made for this container.
func Made(mounts []Mounted) []string {
	return named(mounts, func(m Mounted) bool { return m.Anonymous && !m.From })
}

func named(mounts []Mounted, of func(Mounted) bool) []string {
	var names []string
	for _, m := range mounts {
		if of(m) {
			names = append(names, m.Name)
		}
	}
	return names
}

// Security says how far the container is held.
type Security struct {
	Privileged      bool     `json:"privileged,omitempty"`
	CapAdd          []string `json:"capAdd,omitempty"`
	CapDrop         []string `json:"capDrop,omitempty"`
	NoNewPrivileges bool     `json:"noNewPrivileges,omitempty"`
	// WritableCgroups mounts the control groups of the container for it to write to.
	WritableCgroups bool `json:"writableCgroups,omitempty"`
	// Seccomp is "" for the default profile, "unconfined", or a profile in
	// docker's JSON.
	Seccomp string `json:"seccomp,omitempty"`
	// AppArmor is the name of a profile, "unconfined", or "" for the default one.
	AppArmor string `json:"appArmor,omitempty"`
}

// Resources are the limits; zero is no limit.
type Resources struct {
	Memory int64 `json:"memory,omitempty"` // bytes
	// MemorySwap is memory and swap together, in bytes: 0 is twice the memory,
	// -1 no limit.
	MemorySwap        int64   `json:"memorySwap,omitempty"`
	MemoryReservation int64   `json:"memoryReservation,omitempty"` // bytes
	MemorySwappiness  *uint64 `json:"memorySwappiness,omitempty"`  // 0 to 100
	OOMKillDisable    bool    `json:"oomKillDisable,omitempty"`
	OOMScoreAdj       int     `json:"oomScoreAdj,omitempty"`
	NanoCPUs          int64   `json:"nanoCPUs,omitempty"`  // 1e9 is one CPU
	CPUPeriod         int64   `json:"cpuPeriod,omitempty"` // µs; 0 is the kernel's
	CPUQuota          int64   `json:"cpuQuota,omitempty"`  // µs of each period
	// CPUShares is the weight beside other containers; the kernel's is 1024.
	CPUShares uint64 `json:"cpuShares,omitempty"`
	// Cpuset is which processors it may run on, as 0-3,6; Memset which memory
	// nodes it may use.
	Cpuset      string `json:"cpuset,omitempty"`
	Memset      string `json:"memset,omitempty"`
	BlkioWeight uint16 `json:"blkioWeight,omitempty"` // 10 to 1000
	// The weights and limits at single block devices.
	BlkioWeights       []DeviceRate `json:"blkioWeights,omitempty"`
	ReadBps            []DeviceRate `json:"readBps,omitempty"`
	WriteBps           []DeviceRate `json:"writeBps,omitempty"`
	ReadIOps           []DeviceRate `json:"readIOps,omitempty"`
	WriteIOps          []DeviceRate `json:"writeIOps,omitempty"`
	CPURealtimePeriod  int64        `json:"cpuRealtimePeriod,omitempty"`  // µs
	CPURealtimeRuntime int64        `json:"cpuRealtimeRuntime,omitempty"` // µs
	PidsLimit          int64        `json:"pidsLimit,omitempty"`
	ShmSize            int64        `json:"shmSize,omitempty"` // bytes of /dev/shm; 0 is 64 MiB
	// Ulimits are those of setrlimit(2), Sysctls the kernel's parameters of the
	// container's namespaces.
	Ulimits []Ulimit          `json:"ulimits,omitempty"`
	Sysctls map[string]string `json:"sysctls,omitempty"`
}

// Ulimit is one of setrlimit(2), Name as in ulimit: nofile, core.
type Ulimit struct {
	Name string `json:"name"`
	// Soft and Hard are -1 for no limit.
	Soft int64 `json:"soft"`
	Hard int64 `json:"hard"`
}

// String writes NAME=SOFT:HARD, as flags have it.
func (u Ulimit) String() string {
	return u.Name + "=" + strconv.FormatInt(u.Soft, 10) + ":" + strconv.FormatInt(u.Hard, 10)
}

// Swap is the limit of memory and swap together that the container gets: 0 for
// none set, -1 for none at all.
func (r Resources) Swap() int64 {
	if r.MemorySwap == 0 {
		return 2 * r.Memory // as docker's default is
	}
	return r.MemorySwap
}

// Rates are all limits and weights at single block devices.
func (r Resources) Rates() []DeviceRate {
	return slices.Concat(r.BlkioWeights, r.ReadBps, r.WriteBps, r.ReadIOps, r.WriteIOps)
}

// Tmpfs is an empty filesystem in memory, mounted at Target.
type Tmpfs struct {
	Target string `json:"target"`
	// Options are mount(8)'s, as size=64m, mode=1777.
	Options []string `json:"options,omitempty"`
}
