package cli

import "testing"

// TestImages: an image is imported, listed, named, archived and removed.
func TestImages(t *testing.T) {
	t.Parallel()
	m := prepared(t)
	m.story([]step{
		{"images", 0, "REPOSITORY   TAG       IMAGE ID   CREATED SIZE\n"},
		{`import -m hello -c 'CMD ["sh", "-c", "true"]' -c 'LABEL team=x' $W/five.tar app:v1`, 0, "sha256:ID\n"},
		{"import $W/big.tar app:v2", 0, "sha256:ID\n"},
		{"import $W/big.tar", 0, "sha256:ID\n"},
		{"images", 0, "" +
			"REPOSITORY   TAG       IMAGE ID       CREATED SIZE\n" +
			"<none>       <none>    SHORT-ID----   AGO 2.5MB\n" +
			"app          v2        SHORT-ID----   AGO 2.5MB\n" +
			"app          v1        SHORT-ID----   AGO 5B\n"},
		{"images -q", 0, "" +
			"SHORT-ID----\n" +
			"SHORT-ID----\n" +
			"SHORT-ID----\n"},
		{"images --digests app", 0, "" +
			"REPOSITORY   TAG       DIGEST    IMAGE ID       CREATED SIZE\n" +
			"app          v2        <none>    SHORT-ID----   AGO 2.5MB\n" +
			"app          v1        <none>    SHORT-ID----   AGO 5B\n"},
		{"images --no-trunc app:v1", 0, "" +
			"REPOSITORY   TAG       IMAGE ID                                                                  CREATED SIZE\n" +
			"app          v1        sha256:ID   AGO 5B\n"},
		{"images 'ap*'", 0, "" +
			"REPOSITORY   TAG       IMAGE ID       CREATED SIZE\n" +
			"app          v2        SHORT-ID----   AGO 2.5MB\n" +
			"app          v1        SHORT-ID----   AGO 5B\n"},
		{"images -f label=team=x", 0, "" +
			"REPOSITORY   TAG       IMAGE ID       CREATED SIZE\n" +
			"app          v1        SHORT-ID----   AGO 5B\n"},
		{"images -f dangling=true -q", 0, "SHORT-ID----\n"},
		{"images -f before=app:v2 -q", 0, "SHORT-ID----\n"},
		{"images -f since=nothing", 1, "cove: No such image: nothing\n"},
		{"images --format '{{.Repository}}:{{.Tag}} {{.Size}}'", 0, "" +
			"<none>:<none> 2.5MB\n" +
			"app:v2 2.5MB\n" +
			"app:v1 5B\n"},
		{`images --format 'table {{.Tag}}\t{{.Size}}'`, 0, "" +
			"TAG       SIZE\n" +
			"<none>    2.5MB\n" +
			"v2        2.5MB\n" +
			"v1        5B\n"},
		{"tag app:v1 reg.example.com:85/team/app", 0, ""},
		{"history app:v1", 0, "" +
			"IMAGE          CREATED CREATED BY   SIZE      COMMENT\n" +
			"SHORT-ID----   AGO 5B        hello\n"},
		{"history -q --no-trunc app:v1", 0, "sha256:ID\n"},
		{"history -H=false --format '{{.CreatedBy}}|{{.Size}}|{{.Comment}}' app:v1", 0, "|5|hello\n"},
		{"inspect -f '{{.Config.Cmd}} {{.Size}} {{.RepoTags}}' app:v1", 0, "[sh -c true] 5 [app:v1 reg.example.com:85/team/app:latest]\n"},
		{"save -o $W/saved.tar app:v2", 0, ""},
		{"rmi app:v1 nothing", 1, "" +
			"Untagged: app:v1\n" +
			"cove: No such image: nothing\n"},
		{"rmi -f nothing", 0, "cove: No such image: nothing\n"},
		{"image rm app:v2", 0, "" +
			"Untagged: app:v2\n" +
			"Deleted: sha256:ID\n"},
		{"load -q -i $W/saved.tar", 0, "Loaded image: app:v2\n"},
		{"system df -v --format '{{range .Images}}{{.Repository}}:{{.Tag}} {{.SharedSize}} {{.UniqueSize}} {{.Containers}}|{{end}}'", 0, "<none>:<none> 2.5MB 0B 0|app:v2 2.5MB 0B 0|reg.example.com:85/team/app:latest 0B 5B 0|\n"},
		{"image prune", 0, "" +
			"Deleted Images:\n" +
			"deleted: sha256:ID\n" +
			"\n" +
			"Total reclaimed space: SOME\n"},
		{"image prune -a -f", 0, "" +
			"Deleted Images:\n" +
			"untagged: app:v2\n" +
			"untagged: reg.example.com:85/team/app:latest\n" +
			"deleted: sha256:ID\n" +
			"deleted: sha256:ID\n" +
			"deleted: sha256:ID\n" +
			"deleted: sha256:ID\n" +
			"\n" +
			"Total reclaimed space: SOME\n"},
		{"images -a", 0, "REPOSITORY   TAG       IMAGE ID   CREATED SIZE\n"},
		{"system df", 0, "" +
			"TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n" +
			"Images          0         0         0B        0B\n" +
			"Containers      0         0         0B        0B\n" +
			"Local Volumes   0         0         0B        0B\n" +
			"Build Cache     0         0         0B        0B\n"},
	})
}

// TestImagesRefused: what the commands about images refuse, with what they say.
func TestImagesRefused(t *testing.T) {
	t.Parallel()
	m := prepared(t)
	m.image()
	m.story([]step{
		{"images --format '{{.Nope}}'", 1, "cove: template parsing error: template: format:1:2: executing \"format\" at <.Nope>: can't evaluate field Nope in type lists.Image; the fields here are .Repository .Tag .Digest .ID .CreatedSince .Size .CreatedAt .VirtualSize .SharedSize .UniqueSize .Containers\n"},
		{"images -f colour=red", 1, "cove: invalid filter 'colour': there are before, dangling, label, reference, since, until\n"},
		{"images -f red", 1, "cove: --filter red: want KEY=VALUE\n"},
		{"images one two", 1, "cove: \"cove images\" requires at most 1 argument (cove images [flags] [NAME[:TAG]|PATTERN]). See 'cove images --help'\n"},
		{"tag nothing x", 1, "cove: tagging: No such image: nothing\n"},
		{"tag nothing UPPER", 1, "cove: invalid reference format: \"UPPER\": a repository is lower case: did you mean upper?\n"},
		{"tag one", 1, "cove: \"cove tag\" requires exactly 2 arguments (cove tag SOURCE TARGET). See 'cove tag --help'\n"},
		{"history nothing", 1, "cove: No such image: nothing\n"},
		{"image inspect nothing", 1, "" +
			"[]\n" +
			"cove: No such image: nothing\n"},
		{"inspect --type moon app", 1, "cove: \"moon\" is not a valid value for --type: want container, image, network or volume\n"},
		{"save nothing", 1, "cove: No such image: nothing\n"},
		{"save -o $W/no/x app", 1, "cove: invalid output path: directory \"$W/no\" does not exist\n"},
		{"save", 1, "cove: \"cove save\" requires at least 1 argument (cove save [flags] IMAGE [IMAGE...]). See 'cove save --help'\n"},
		{"load -i $W/nothing.tar", 1, "cove: open $W/nothing.tar: no such file or directory\n"},
		{"import --platform moon $W/five.tar x", 1, "cove: platform \"moon\": unknown operating system or architecture \"moon\"; there are amd64, arm64, arm, 386, ppc64le, s390x, riscv64, loong64, mips64le, mips64, mipsle, mips, ppc64, ppc, sparc64, sparc, s390, riscv, wasm, on linux, windows, freebsd, darwin, netbsd, openbsd, dragonfly, solaris, illumos, aix, plan9, android, ios, js, wasip1, wasi\n"},
		{"import -c 'RUN true' $W/five.tar x", 1, "cove: only instructions that change the config are possible here: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD SHELL STOPSIGNAL USER VOLUME WORKDIR\n"},
		{"import $W/nothing.tar x", 1, "cove: open $W/nothing.tar: no such file or directory\n"},
		{"import", 1, "cove: \"cove import\" requires at least 1 argument (cove import [flags] FILE|- [NAME[:TAG]]). See 'cove import --help'\n"},
		{"pull UPPER", 1, "cove: invalid reference format: \"UPPER\": a repository is lower case: did you mean upper?\n"},
		{"pull -a app:v1", 1, "cove: app:v1: all tags are asked for, so the name can have neither a tag nor a digest\n"},
		{"pull --platform moon app", 1, "cove: platform \"moon\": unknown operating system or architecture \"moon\"; there are amd64, arm64, arm, 386, ppc64le, s390x, riscv64, loong64, mips64le, mips64, mipsle, mips, ppc64, ppc, sparc64, sparc, s390, riscv, wasm, on linux, windows, freebsd, darwin, netbsd, openbsd, dragonfly, solaris, illumos, aix, plan9, android, ios, js, wasip1, wasi\n"},
		{"pull", 1, "cove: \"cove pull\" requires exactly 1 argument (cove pull [flags] NAME[:TAG|@DIGEST]). See 'cove pull --help'\n"},
		{"push nothing", 1, "" +
			"The push refers to repository [docker.io/library/nothing]\n" +
			"cove: pushing nothing:latest: no image has that name here; tag one first\n"},
		{"push -a nothing", 1, "cove: pushing nothing: no image has a name of that repository here; tag one first\n"},
		{"push app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 1, "" +
			"The push refers to repository [docker.io/library/app]\n" +
			"cove: pushing app@sha256:ID: a name with a digest cannot be pushed; give it a tag\n"},
		{"rmi", 1, "cove: \"cove rmi\" requires at least 1 argument (cove rmi [flags] IMAGE [IMAGE...]). See 'cove rmi --help'\n"},
		{"rmi nothing", 1, "cove: No such image: nothing\n"},
		{"copy UPPER x", 1, "cove: invalid reference format: \"UPPER\": a repository is lower case: did you mean upper?\n"},
		{"copy oci:$W/nothing oci:$W/there", 1, "" +
			"Copying oci:$W/nothing to oci:$W/there:latest\n" +
			"cove: $W/nothing: there is no such directory\n"},
		{"copy one", 1, "cove: \"cove copy\" requires exactly 2 arguments (cove copy [flags] SRC DST). See 'cove copy --help'\n"},
		{"search", 1, "cove: \"cove search\" requires exactly 1 argument (cove search [flags] [HOST/]TERM). See 'cove search --help'\n"},
		{"builder prune --keep-storage x", 1, "cove: --keep-storage x: want a size, as 512MB or 10GB\n"},
		{"builder prune --filter until=soon", 1, "cove: --filter until=soon: want a duration, as 72h\n"},
		{"builder prune --keep-storage 1GB --max-used-space 2GB", 1, "cove: --keep-storage and --max-used-space are one thing: give one\n"},
		{"builder du", 0, "ID        RECLAIMABLE   SIZE      LAST ACCESSED   KEPT BY   STEP\n"},
		{"login --password-stdin reg.example.com", 1, "cove: --password-stdin needs --username\n"},
		{"login -u x -p y --password-stdin reg", 1, "cove: --password and --password-stdin exclude each other\n"},
		{"nonsense", 1, "cove: unknown command \"nonsense\". See 'cove --help'\n"},
	})
}
