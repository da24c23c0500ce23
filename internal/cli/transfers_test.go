package cli

import "testing"

// TestTransfers: images go to a registry and come back, one by one and all of a repository.
func TestTransfers(t *testing.T) {
	t.Parallel()
	m := prepared(t)
	m.registry()
	m.story([]step{
		{"import $W/five.tar HOST/team/app:v1", 0, "sha256:ID\n"},
		{"tag HOST/team/app:v1 HOST/team/app:v2", 0, ""},
		{"push HOST/team/app:v1", 0, "" +
			"v1: digest: sha256:ID size: 490\n" +
			"The push refers to repository [HOST/team/app]\n" +
			"SHORT-ID----: Pushed\n"},
		{"push -q HOST/team/app:v1", 0, "HOST/team/app:v1\n"},
		{"push -a HOST/team/app", 0, "" +
			"v1: digest: sha256:ID size: 490\n" +
			"v2: digest: sha256:ID size: 490\n" +
			"The push refers to repository [HOST/team/app]\n" +
			"SHORT-ID----: Layer already exists\n" +
			"The push refers to repository [HOST/team/app]\n" +
			"SHORT-ID----: Layer already exists\n"},
		{"push HOST/team/app", 1, "" +
			"The push refers to repository [HOST/team/app]\n" +
			"cove: pushing HOST/team/app:latest: no image has that name here; tag one first\n"},
		{"rmi HOST/team/app:v1 HOST/team/app:v2", 0, "" +
			"Untagged: HOST/team/app:v1\n" +
			"Untagged: HOST/team/app@sha256:ID\n" +
			"Untagged: HOST/team/app:v2\n" +
			"Untagged: HOST/team/app@sha256:ID\n" +
			"Deleted: sha256:ID\n" +
			"Deleted: sha256:ID\n"},
		{"image prune -a", 0, "Total reclaimed space: 0B\n"},
		{"pull HOST/team/app", 1, "" +
			"Using default tag: latest\n" +
			"latest: Pulling from team/app\n" +
			"cove: pulling HOST/team/app:latest: 404 from registry HOST: tag latest unknown\n"},
		{"pull HOST/team/app:v1", 0, "" +
			"HOST/team/app:v1\n" +
			"v1: Pulling from team/app\n" +
			"SHORT-ID----: Pull complete\n" +
			"Digest: sha256:ID\n" +
			"Status: Downloaded newer image for HOST/team/app:v1\n"},
		{"pull HOST/team/app:v1", 0, "" +
			"HOST/team/app:v1\n" +
			"v1: Pulling from team/app\n" +
			"SHORT-ID----: Already exists\n" +
			"Digest: sha256:ID\n" +
			"Status: Image is up to date for HOST/team/app:v1\n"},
		{"pull -q HOST/team/app:v1", 0, "HOST/team/app:v1\n"},
		{"pull -a HOST/team/app", 0, "" +
			"HOST/team/app:v1\n" +
			"HOST/team/app:v2\n" +
			"v1: Pulling from team/app\n" +
			"SHORT-ID----: Already exists\n" +
			"Digest: sha256:ID\n" +
			"Status: Image is up to date for HOST/team/app:v1\n" +
			"v2: Pulling from team/app\n" +
			"SHORT-ID----: Already exists\n" +
			"Digest: sha256:ID\n" +
			"Status: Downloaded newer image for HOST/team/app:v2\n"},
		{"pull -a HOST/team/none", 1, "cove: listing the tags of HOST/team/none: tags: 404 from registry HOST: repository team/none unknown\n"},
		{"pull HOST/team/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 1, "" +
			"sha256:ID: Pulling from team/app\n" +
			"cove: pulling HOST/team/app@sha256:ID: sha256:ID: 404 from registry HOST: manifest sha256:ID unknown\n"},
		{"images --digests --format '{{.Repository}}:{{.Tag}}@{{.Digest}} {{.Size}}'", 0, "" +
			"HOST/team/app:v1@sha256:ID 5B\n" +
			"HOST/team/app:v2@sha256:ID 5B\n"},
		{"images -f reference=HOST/team/app:v2 --format '{{.Tag}}'", 0, "v2\n"},
		{"search --format '{{.Name}} {{.StarCount}} {{.IsOfficial}}' HOST/app", 0, "HOST/team/app 0 \n"},
		{"search --limit 0 HOST/x", 0, "NAME      DESCRIPTION   STARS     OFFICIAL\n"},
		{"search --limit 101 HOST/x", 1, "cove: limit 101 is outside the range of [1, 100]\n"},
		{"copy HOST/team/app:v1 oci:$W/layout:one", 0, "" +
			"one: digest: sha256:ID size: 490\n" +
			"Copying HOST/team/app:v1 to oci:$W/layout:one\n" +
			"SHORT-ID----: Pushed\n" +
			"SHORT-ID----: Pushed\n"},
		{"copy -q oci:$W/layout:one HOST/team/copied", 0, "sha256:ID\n"},
		{"copy --platform moon HOST/team/app:v1 oci:$W/layout:two", 1, "" +
			"Copying HOST/team/app:v1 to oci:$W/layout:two\n" +
			"cove: platform \"moon\": unknown operating system or architecture \"moon\"; there are amd64, arm64, arm, 386, ppc64le, s390x, riscv64, loong64, mips64le, mips64, mipsle, mips, ppc64, ppc, sparc64, sparc, s390, riscv, wasm, on linux, windows, freebsd, darwin, netbsd, openbsd, dragonfly, solaris, illumos, aix, plan9, android, ios, js, wasip1, wasi\n"},
		{"create --name mine --network none HOST/team/app:v2 x", 0, "LONG-ID\n"},
		{"rmi HOST/team/app:v2", 0, "" +
			"Untagged: HOST/team/app:v2\n" +
			"Untagged: HOST/team/app@sha256:ID\n"},
		{"create --pull always --name yours --network none HOST/team/app:v2 x", 0, "" +
			"LONG-ID\n" +
			"v2: Pulling from team/app\n" +
			"SHORT-ID----: Already exists\n" +
			"Digest: sha256:ID\n" +
			"Status: Downloaded newer image for HOST/team/app:v2\n"},
		{"create -q --pull always --name ours --network none HOST/team/app:v2 x", 0, "LONG-ID\n"},
		{"create --pull never --name theirs --network none HOST/team/app:v3 x", 1, "cove: No such image: HOST/team/app:v3\n"},
		{"create --name theirs --network none HOST/team/app:v3 x", 1, "" +
			"Unable to find image 'HOST/team/app:v3' locally\n" +
			"v3: Pulling from team/app\n" +
			"cove: pulling HOST/team/app:v3: 404 from registry HOST: tag v3 unknown\n"},
		{"ps -a --format '{{.Names}} {{.Image}}'", 0, "" +
			"ours HOST/team/app:v2\n" +
			"yours HOST/team/app:v2\n" +
			"mine HOST/team/app:v2\n"},
		{"rm mine yours ours", 0, "" +
			"mine\n" +
			"yours\n" +
			"ours\n"},
	})
}
