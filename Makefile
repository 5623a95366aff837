# Needs Go, git, make and curl. `make test` installs what else the tests need, see .ci/tools.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2# 2026.2.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0
FUZZTIME    ?= 60s

.PHONY: run build test bench lint fuzz generate tools

run: build ## a broker at http://127.0.0.1:8080 with seed data in ./data
	bin/gatehouse serve --dev

build: ## bin/gatehouse, static and stripped
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/gatehouse ./cmd/gatehouse

test: tools ## the whole suite, with the race detector, in random order
	go test -race -shuffle=on ./...
	go -C internal/oryx test -race -shuffle=on ./...

bench: build ## what docs/performance.md promises, as ratios in one run; ARGS='-rounds 3' and the like
	go run ./internal/bench $(ARGS)

lint: ## form, vet, staticcheck, known vulnerabilities, go.mod
	@unformatted=$$(git ls-files -z -co --exclude-standard '*.go' | xargs -0 gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go -C internal/oryx vet ./...
	go run $(STATICCHECK) ./...
	.ci/vulnerabilities $(GOVULNCHECK)
	go mod verify
	go mod tidy -diff
	go -C internal/oryx mod tidy -diff

fuzz: ## each fuzz target for FUZZTIME
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

generate: ## pages and golden files that are made of the code
	go generate ./...
	go test ./internal/config -run TestReferencePageIsCurrent -update

tools: ## what the tests need beside Go: a C compiler, Redis, Chromium, Node and the npm packages of its tests
	.ci/tools
