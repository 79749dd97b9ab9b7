# The embedded default: one process, SQLite and a folder.
FROM python:3.11-slim
WORKDIR /app
RUN apt-get update && apt-get install -y --no-install-recommends make libgles2 libegl1 && rm -rf /var/lib/apt/lists/*
COPY requirements.txt requirements-bootstrap.txt pyproject.toml README.md LICENSE Makefile ./
COPY service service
COPY detectors detectors
COPY benchmarks benchmarks
RUN make install PYTHON=python3
ENV BLEEDCHECK_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
CMD [".venv/bin/bleedcheck", "serve", "--host", "0.0.0.0", "--port", "8000"]
