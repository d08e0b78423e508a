# The servers of Cairnloop: worker, chat, HTTP, and every command. No database inside: an image is
# for those who have a Postgres (see compose.yaml).
FROM python:3.13-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app
COPY requirements/runtime.txt requirements/
RUN pip install --require-hashes -r requirements/runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY seeds seeds
COPY cairnloop_engine cairnloop_engine
COPY cairnloop_tui cairnloop_tui
COPY cairnloop_cli cairnloop_cli
RUN pip install --no-deps --no-build-isolation .

# Not the sources' folder: what runs is the installed package. Nothing is kept in a container.
WORKDIR /srv
ENV CAIRNLOOP_HOME=/tmp/cairnloop
USER 10001:10001
ENTRYPOINT ["cairnloop"]
CMD ["--help"]
