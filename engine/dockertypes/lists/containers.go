package lists

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"cove/engine"
	"cove/engine/listing"
	"cove/engine/stats"
	"cove/reference"
)

// Container is a row of ps.
type Container struct {
	Command      string
	CreatedAt    string
	ID           string
	Image        string
	Labels       string
	LocalVolumes string
	Mounts       string
	Names        string
	Networks     string
	Platform     string
	Ports        string
	RunningFor   string
	Size         string
	State        string
	Status       string
	labeled
}

// OfContainer is the row of a container whose size nobody asked for.
func OfContainer(c listing.Container, o Options) Container {
	mounts := c.MountNames()
	for i := range mounts {
		mounts[i] = o.cut(mounts[i], 15)
	}
	return Container{
		Command: strconv.Quote(o.cut(c.Command, 20)), CreatedAt: at(c.Created), ID: o.id(c.ID),
		Image: imageOf(c, o), Labels: labels(c.Labels), LocalVolumes: strconv.Itoa(len(c.VolumeNames())),
		Mounts: strings.Join(mounts, ","), Names: c.Name, Networks: strings.Join(c.NetworkNames(), ","),
		Ports: ports(c.Ports()), RunningFor: listing.Ago(o.Now, c.Created), Platform: c.Platform, Size: "0B",
		State: string(c.State.Status), Status: c.Status(o.Now), labeled: labelsOf(c.Labels),
	}
}

// OfSizedContainer is OfContainer with what it takes: what it wrote and, in virtual,
// its image with it.
func OfSizedContainer(c listing.Container, s engine.ContainerSize, o Options) Container {
	row := OfContainer(c, o)
	row.Size = size(s.RW)
	if s.RootFS > 0 {
		row.Size += fmt.Sprintf(" (virtual %s)", size(s.RootFS))
	}
	return row
}

// imageOf is the name that the container was made from; a short list leaves a digest
// in it out.
func imageOf(c listing.Container, o Options) string {
	if o.NoTrunc {
		return c.Image
	}
	if strings.HasPrefix(reference.Encoded(c.ImageID), reference.Encoded(c.Image)) {
		return o.id(c.ImageID)
	}
	name, _, digested := strings.Cut(c.Image, "@")
	if !digested {
		return c.Image
	}
	if ref, err := reference.Parse(name); err == nil && !reference.HasTag(name) {
		return ref.FamiliarName()
	}
	return name
}

// ports shows ports as docker does: 0.0.0.0:8080->80/tcp, 6379/tcp. Neighbours
// make a range, 7000-7002/tcp, unless they are published at other numbers.
func ports(all []listing.Port) string {
	var out, moved []string
	at := map[string]int{} // the group that may still grow, by all but the number
	var groups [][]listing.Port
	for _, p := range all {
		if p.HostIP != "" && p.HostPort != p.ContainerPort {
			moved = append(moved, p.Host()+"->"+p.String())
			continue
		}
		key := p.HostIP + "/" + p.Proto
		i, ok := at[key]
		if !ok || groups[i][len(groups[i])-1].ContainerPort+1 != p.ContainerPort {
			at[key] = len(groups)
			groups = append(groups, []listing.Port{p})
			continue
		}
		groups[i] = append(groups[i], p)
	}
	for _, g := range groups {
		out = append(out, portGroup(g))
	}
	return strings.Join(append(out, moved...), ", ")
}

func portGroup(g []listing.Port) string {
	first, last := g[0], g[len(g)-1]
	numbers := strconv.Itoa(int(first.ContainerPort))
	host := first.Host()
	if len(g) > 1 {
		more := "-" + strconv.Itoa(int(last.ContainerPort))
		numbers, host = numbers+more, host+more
	}
	if first.HostIP != "" {
		numbers = host + "->" + numbers
	}
	return numbers + "/" + first.Proto
}

// Stats is a row of stats.
type Stats struct {
	BlockIO   string
	CPUPerc   string
	Container string
	ID        string
	MemPerc   string
	MemUsage  string
	Name      string
	NetIO     string
	PIDs      string
}

// OfStats is the row of a sample.
func OfStats(s stats.Sample, o Options) Stats {
	pair := func(a, b uint64) string { return size(int64(a)) + " / " + size(int64(b)) }
	return Stats{
		BlockIO: pair(s.ReadBytes, s.Written), CPUPerc: percent(s.CPUPercent),
		Container: cmp.Or(s.Ref, o.id(s.ID)), ID: o.id(s.ID),
		MemPerc: percent(s.MemoryPercent), MemUsage: units.BytesSize(float64(s.Memory)) + " / " +
			units.BytesSize(float64(s.Limit)),
		Name: s.Name, NetIO: pair(s.Received, s.Sent), PIDs: strconv.FormatUint(s.Pids, 10),
	}
}

func percent(p float64) string { return strconv.FormatFloat(p, 'f', 2, 64) + "%" }
