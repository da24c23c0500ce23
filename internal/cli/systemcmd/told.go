package systemcmd

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"cove/engine/dockertypes"
)

// line is one of a description; of those without a value only the label is printed.
type line struct {
	label string
	value any
}

func printLines(w io.Writer, lines []line) {
	for _, l := range lines {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf(" %s: %v", l.label, l.value), " "))
	}
}

// printVersion prints docker's two sections, of the command and of its engine.
func printVersion(w io.Writer, client dockertypes.ClientVersion, server dockertypes.ServerVersion) {
	aligned := func(indent string, lines []line) {
		for _, l := range lines {
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%s%-18s %v", indent, l.label+":", l.value), " "))
		}
	}
	fmt.Fprintf(w, "Client: %s\n", client.Platform.Name)
	aligned(" ", []line{
		{"Version", client.Version},
		{"API version", client.APIVersion},
		{"Go version", client.GoVersion},
		{"Git commit", client.GitCommit},
		{"Built", client.BuildTime},
		{"OS/Arch", client.Os + "/" + client.Arch},
		{"Context", client.Context},
	})
	fmt.Fprintf(w, "\nServer: %s\n Engine:\n", server.Platform.Name)
	aligned("  ", []line{
		{"Version", server.Version},
		{"API version", fmt.Sprintf("%s (minimum version %s)", server.APIVersion, server.MinAPIVersion)},
		{"Go version", server.GoVersion},
		{"Git commit", server.GitCommit},
		{"Built", server.BuildTime},
		{"OS/Arch", server.Os + "/" + server.Arch},
		{"Experimental", false},
	})
}

// printInfo prints docker's two sections; programs that docker would execute beside
// its daemon, which nothing here does, are left out.
func printInfo(w io.Writer, client dockertypes.ClientVersion, i dockertypes.Info) {
	fmt.Fprintf(w, "Client: %s\n", client.Platform.Name)
	printLines(w, []line{{"Version", client.Version}, {"Context", client.Context}, {"Debug Mode", i.Debug}})
	fmt.Fprintln(w, "\nServer:")
	printLines(w, []line{
		{"Containers", i.Containers},
		{" Running", i.ContainersRunning},
		{" Paused", i.ContainersPaused},
		{" Stopped", i.ContainersStopped},
		{"Images", i.Images},
		{"Server Version", i.ServerVersion},
		{"Storage Driver", i.Driver},
		{"Logging Driver", i.LoggingDriver},
		{"Cgroup Driver", i.CgroupDriver},
		{"Cgroup Version", i.CgroupVersion},
		{"Plugins", ""},
		{" Volume", strings.Join(i.Plugins.Volume, " ")},
		{" Network", strings.Join(i.Plugins.Network, " ")},
		{" Log", strings.Join(i.Plugins.Log, " ")},
	})
	printList(w, "CDI spec directories", i.CDISpecDirs)
	printLines(w, []line{
		{"Swarm", i.Swarm.LocalNodeState},
		{"Runtimes", strings.Join(slices.Sorted(maps.Keys(i.Runtimes)), " ")},
		{"Default Runtime", i.DefaultRuntime},
		{"Init Binary", i.InitBinary},
	})
	printSecurity(w, i.SecurityOptions)
	printLines(w, []line{
		{"Kernel Version", i.KernelVersion},
		{"Operating System", i.OperatingSystem},
		{"OSType", i.OSType},
		{"Architecture", i.Architecture},
		{"CPUs", i.NCPU},
		{"Total Memory", units.BytesSize(float64(i.MemTotal))},
		{"Name", i.Name},
		{"ID", i.ID},
		{"Docker Root Dir", i.DockerRootDir},
		{"Debug Mode", i.Debug},
		{"Experimental", i.ExperimentalBuild},
	})
	printRegistries(w, i.RegistryConfig)
	printLines(w, []line{{"Live Restore Enabled", i.LiveRestoreEnabled}})
}

func printList(w io.Writer, label string, entries []string) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintf(w, " %s:\n", label)
	for _, e := range entries {
		fmt.Fprintln(w, "  "+e)
	}
}

// printSecurity prints name=seccomp,profile=builtin as docker does.
func printSecurity(w io.Writer, options []string) {
	fmt.Fprintln(w, " Security Options:")
	for _, o := range options {
		for pair := range strings.SplitSeq(o, ",") {
			switch key, value, _ := strings.Cut(pair, "="); key {
			case "name":
				fmt.Fprintln(w, "  "+value)
			case "profile":
				fmt.Fprintln(w, "   Profile: "+value)
			}
		}
	}
}

// printRegistries writes docker's two lists; mirrors of other registries than
// docker.io name theirs.
func printRegistries(w io.Writer, c dockertypes.RegistryConfig) {
	hosts := slices.Sorted(maps.Keys(c.IndexConfigs))
	var insecure, mirrors []string
	for _, host := range hosts {
		if !c.IndexConfigs[host].Secure {
			insecure = append(insecure, host)
		}
		of := ""
		if !c.IndexConfigs[host].Official {
			of = " (of " + host + ")"
		}
		for _, m := range c.IndexConfigs[host].Mirrors {
			mirrors = append(mirrors, m+of)
		}
	}
	printList(w, "Insecure Registries", append(insecure, c.InsecureRegistryCIDRs...))
	printList(w, "Registry Mirrors", mirrors)
}
