package lists

import (
	"strconv"
	"strings"
	"time"

	"cove/engine"
	engineimages "cove/engine/images"
	"cove/engine/listing"
	"cove/engine/networks"
)

// Image is a row of images.
type Image struct {
	Containers   string
	CreatedAt    string
	CreatedSince string
	Digest       string
	ID           string
	Repository   string
	SharedSize   string
	Size         string
	Tag          string
	UniqueSize   string
	VirtualSize  string
}

// OfImage is the row of an image under one of its names.
func OfImage(img listing.Image, o Options) Image {
	return Image{
		Containers: notAvailable, CreatedAt: at(img.Created), CreatedSince: o.since(img.Created),
		Digest: orNone(string(img.Digest)), ID: o.id(img.ID.String()), Repository: img.Repository,
		SharedSize: notAvailable, Size: size(img.Size), Tag: img.Tag, UniqueSize: notAvailable,
		VirtualSize: longSize(img.Size),
	}
}

// OfImageUsage is OfImage with what its use is.
func OfImageUsage(u engine.ImageUsage, o Options) Image {
	row := OfImage(u.Image, o)
	row.Containers = strconv.Itoa(u.Containers)
	row.SharedSize, row.UniqueSize = longSize(u.Shared), longSize(u.Size-u.Shared)
	return row
}

// OfHistory is the row of a step; plain keeps numbers and times as programs read them.
func OfHistory(s engineimages.Step, plain bool, o Options) History {
	row := History{
		Comment: s.Comment, CreatedAt: time.Unix(s.Created.Unix(), 0).Format(time.RFC3339),
		CreatedSince: o.since(s.Created), ID: "<missing>", Size: size(s.Size),
		CreatedBy: o.cut(strings.ReplaceAll(s.CreatedBy, "\t", " "), 45),
	}
	if s.ID != "" {
		row.ID = o.id(s.ID.String())
	}
	if plain {
		row.CreatedSince, row.Size = row.CreatedAt, strconv.FormatInt(s.Size, 10)
	}
	return row
}

// Found is a row of search.
type Found struct {
	Description string
	IsAutomated string
	IsOfficial  string
	Name        string
	StarCount   string
}

// OfFound is the row of what a registry has.
func OfFound(f engineimages.Found, o Options) Found {
	ok := map[bool]string{true: "[OK]"}
	return Found{
		Description: o.cut(strings.Join(strings.Fields(f.Description), " "), 45), IsAutomated: ok[f.Automated],
		IsOfficial: ok[f.Official], Name: f.Name, StarCount: strconv.Itoa(f.Stars),
	}
}

// OfVolume is the row of a volume that nobody measured.
func OfVolume(v engine.Volume) Volume {
	return Volume{
		Availability: notAvailable, Driver: "local", Group: notAvailable, Labels: labels(v.Labels), Links: notAvailable,
		Mountpoint: v.Path, Name: v.Name, Scope: "local", Size: notAvailable, Status: notAvailable,
		labeled: labelsOf(v.Labels),
	}
}

// OfVolumeUsage is OfVolume with its size and how many containers have it.
func OfVolumeUsage(u engine.VolumeUsage) Volume {
	row := OfVolume(u.Volume)
	row.Links, row.Size = strconv.Itoa(len(u.Users)), longSize(u.Size)
	return row
}

// Network is a row of network ls.
type Network struct {
	CreatedAt string
	Driver    string
	ID        string
	IPv4      string
	IPv6      string
	Internal  string
	Labels    string
	Name      string
	Scope     string
	labeled
}

// OfNetwork is the row of a network.
func OfNetwork(n networks.Network, o Options) Network {
	return Network{
		CreatedAt: n.Created.String(), Driver: n.Driver, ID: o.id(n.ID), IPv4: strconv.FormatBool(n.EnableIPv4),
		IPv6: strconv.FormatBool(n.EnableIPv6), Internal: strconv.FormatBool(n.Internal), Labels: labels(n.Labels),
		Name: n.Name, Scope: n.Scope, labeled: labelsOf(n.Labels),
	}
}
