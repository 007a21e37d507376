# One image for ingress, worker and beat; docker-compose.yml has the command of each.
FROM python:3.11-slim AS build
WORKDIR /src
COPY constraints.txt ./
# constraints.txt has every package that may be installed, with its hashes; nothing else is installed below.
RUN pip download --quiet --no-cache-dir --disable-pip-version-check --require-hashes --dest /wheels --requirement constraints.txt
COPY pyproject.toml README.md ./
COPY app app
COPY config config
COPY workers workers
RUN python -m venv /opt/stemvault \
 && /opt/stemvault/bin/pip install --no-cache-dir --disable-pip-version-check --no-index --find-links /wheels .

FROM python:3.11-slim
ENV PATH=/opt/stemvault/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/stemvault /opt/stemvault
# The account owns no file, and writes only to /tmp and /dev/shm. It has a name, as Celery treats a group without a name
# as the superuser's.
RUN echo 'stemvault:x:10001:' >> /etc/group && echo 'stemvault:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
CMD ["gunicorn", "-c", "python:config.gunicorn", "app:create_app()"]
