-- Columns of the envelope that events can be divided by.
select name, value, count(*) as events
from (unpivot (select country, region, city, device_type, platform, app_version, currency from counted) on columns(*) into name name value value)
group by name, value
order by name, events desc, value
