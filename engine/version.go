package engine

import (
	"runtime"

	"cove/engine/dockertypes"
	"cove/engine/machine"
	"cove/internal/buildinfo"
)

// product is what docker calls a platform.
const product = "cove"

// Version is the engine's, in docker's shape.
func Version() dockertypes.ServerVersion {
	v := dockertypes.ServerVersion{
		Platform: dockertypes.Platform{Name: product}, Version: buildinfo.Number(),
		APIVersion: dockertypes.APIVersion, MinAPIVersion: dockertypes.MinAPIVersion,
		GitCommit: buildinfo.Commit(), BuildTime: buildinfo.Time(),
		GoVersion: runtime.Version(), Os: runtime.GOOS, Arch: runtime.GOARCH, KernelVersion: machine.Kernel(),
	}
	v.Components = []dockertypes.Component{{Name: "Engine", Version: v.Version, Details: map[string]string{
		"ApiVersion": v.APIVersion, "MinAPIVersion": v.MinAPIVersion, "GitCommit": v.GitCommit,
		"BuildTime": v.BuildTime,
		"GoVersion": v.GoVersion, "Os": v.Os, "Arch": v.Arch, "KernelVersion": v.KernelVersion, "Experimental": "false",
	}}}
	return v
}

// ClientVersion is that of a command line that holds the engine.
func ClientVersion() dockertypes.ClientVersion {
	return dockertypes.ClientVersion{
		Platform: dockertypes.Platform{Name: product}, Version: buildinfo.Version(),
		APIVersion: dockertypes.APIVersion, DefaultAPIVersion: dockertypes.APIVersion,
		GitCommit: buildinfo.Commit(), BuildTime: buildinfo.Time(),
		GoVersion: runtime.Version(), Os: runtime.GOOS, Arch: runtime.GOARCH, Context: "default",
	}
}
