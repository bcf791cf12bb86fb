.DEFAULT_GOAL := help
PYTHON := .cache/venv/bin/python
HOSTS ?= 3
STAGES ?=
ARGS ?=
.PHONY: help deps demo test lint build sanity unit integration faults molecule matrix long test-faults test-matrix
.PHONY: test-azcollection
.PHONY: lab-up lab-down lab-status lab-ssh bench-seed bench-attach bench-control bench-sync clean

help:  ## this list
	@sed -n 's/^\([a-z -]*\):.*## /\1 - /p' Makefile

deps:  ## install what the demo and the tests run with into .cache/
	@tools/bootstrap.sh test

demo:  ## create, attach, detach and delete on a lab of its own (root)
	@tools/bootstrap.sh lab && $(PYTHON) -m lab.demo

test:  ## the tests (root); STAGES="lint unit" runs some, and `make long` those that take very long
	@tools/bootstrap.sh test && $(PYTHON) tests/run.py $(STAGES)

lint build sanity unit integration matrix faults molecule:  ## one stage of the tests
	@tools/bootstrap.sh test && $(PYTHON) tests/run.py $@

long:  ## scenarios of minutes: twelve hosts, outages, squash, TLS, power cuts (root)
	@tools/bootstrap.sh test && $(PYTHON) tests/run.py $@

test-faults:  ## kills, power cuts and outages at every point of a move (root; hours)
	@tools/bootstrap.sh test && $(PYTHON) -m tests.faults

test-matrix:  ## the Azure side with other releases of Ansible, Python and the Azure SDK; ARGS="storage-24" runs one
	@tools/bootstrap.sh test && $(PYTHON) -m tests.matrix $(ARGS)

test-azcollection:  ## a machine that azure.azcollection makes for provision (2 GB, minutes to install)
	@tools/bootstrap.sh test && $(PYTHON) -m pytest -q tests/azcollection $(ARGS)

lab-up:  ## start the lab with HOSTS=3 hosts (root)
	@tools/bootstrap.sh lab && $(PYTHON) -m lab up --hosts $(HOSTS)

lab-down:  ## stop the lab and remove all of it
	@tools/bootstrap.sh lab && $(PYTHON) -m lab down

lab-status:  ## what runs in the lab
	@tools/bootstrap.sh lab && $(PYTHON) -m lab status

lab-ssh:  ## a shell on HOST=worker-1
	@tools/bootstrap.sh lab && $(PYTHON) -m lab ssh $(or $(HOST),worker-1)

bench-seed:  ## copying a home to a share and back beside rsync, cp and fpsync, on a lab of its own (root)
	@tools/bootstrap.sh lab && $(PYTHON) -m tests.bench.seed $(ARGS)

bench-attach:  ## attaching hosts beside a playbook of the usual kind, on a lab of its own (root)
	@tools/bootstrap.sh lab && $(PYTHON) -m tests.bench.attach $(ARGS)

bench-control:  ## managing and listing storages beside azure.azcollection (2 GB, minutes to install)
	@tools/bootstrap.sh test && $(PYTHON) -m tests.bench.control $(ARGS)

bench-sync:  ## copying files to a home beside rsync and ansible.posix.synchronize, over an sshd of its own (root)
	@tools/bootstrap.sh test && $(PYTHON) -m tests.bench.sync $(ARGS)

clean:  ## remove .cache/ and what tests have left; stop the lab first
	@rm -rf .cache tests/output
